# Writes one small table in the forms in which R writes tables, as base R does it without options of our own.
d <- data.frame(eai = c(3.5, 4, 5, 4.5, 2.5), phi4 = c(4, 3.5, 3, 4, 1.5), arm = c("NA?", "cbt", "a, b", "cbt", NA))
write.csv(d, "r_csv.csv")
write.csv2(d, "r_csv2.csv")
write.table(d, "r_table_tab.txt", sep = "\t")
write.table(d, "r_table_comma.csv", sep = ",")
write.table(d, "r_table_utf16.txt", sep = "\t", dec = ",", row.names = FALSE, fileEncoding = "UTF-16")
