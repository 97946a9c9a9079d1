source other.sql
