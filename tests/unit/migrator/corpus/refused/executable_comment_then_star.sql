SELECT 2 /*! +3 */*4;
