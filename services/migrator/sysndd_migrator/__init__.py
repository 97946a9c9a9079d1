"""Applies ``NNN_name.sql`` files to MySQL and MariaDB: in order, once, under a lock."""
