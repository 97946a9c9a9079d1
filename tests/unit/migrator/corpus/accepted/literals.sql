SELECT x'4D', 0x4D, b'01', N'n;n', _utf8mb4'u;u' COLLATE utf8mb4_bin;
SELECT 2;
