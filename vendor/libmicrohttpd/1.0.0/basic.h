struct MHD_BasicAuthInfo
{
  char *username;
  size_t username_len;
  char *password;
  size_t password_len;
  ...;
};

struct MHD_BasicAuthInfo *
MHD_basic_auth_get_username_password3 (struct MHD_Connection *connection);

enum MHD_Result
MHD_queue_basic_auth_required_response3 (struct MHD_Connection *connection,
                                         const char *realm,
                                         int prefer_utf8,
                                         struct MHD_Response *response);
