SET character_set_client = sjis;
