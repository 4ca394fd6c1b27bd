char *
MHD_basic_auth_get_username_password (struct MHD_Connection *connection,
                                      char **password);

enum MHD_Result
MHD_queue_basic_auth_fail_response (struct MHD_Connection *connection,
                                    const char *realm,
                                    struct MHD_Response *response);
