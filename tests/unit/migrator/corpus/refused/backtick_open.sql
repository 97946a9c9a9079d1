SELECT `never closed;
