enum MHD_Result
MHD_get_connection_URI_path_n (struct MHD_Connection *connection,
                               const char **uri,
                               size_t *uri_size);
