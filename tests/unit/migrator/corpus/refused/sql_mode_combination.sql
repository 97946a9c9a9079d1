SET sql_mode := "ORACLE";
