rehash;
