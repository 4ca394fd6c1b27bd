#define MHD_USE_NO_THREAD_SAFETY ...

#define MHD_OPTION_DIGEST_AUTH_RANDOM_COPY ...
#define MHD_OPTION_DIGEST_AUTH_NONCE_BIND_TYPE ...
#define MHD_OPTION_HTTPS_PRIORITIES_APPEND ...
#define MHD_OPTION_CLIENT_DISCIPLINE_LVL ...
#define MHD_OPTION_APP_FD_SETSIZE ...
#define MHD_OPTION_SOCK_ADDR_LEN ...
#define MHD_OPTION_DIGEST_AUTH_DEFAULT_NONCE_TIMEOUT ...
#define MHD_OPTION_DIGEST_AUTH_DEFAULT_MAX_NC ...

enum MHD_DAuthBindNonce
{
  MHD_DAUTH_BIND_NONCE_NONE,
  MHD_DAUTH_BIND_NONCE_REALM,
  MHD_DAUTH_BIND_NONCE_URI,
  MHD_DAUTH_BIND_NONCE_URI_PARAMS,
  MHD_DAUTH_BIND_NONCE_CLIENT_IP,
  ...
};

enum MHD_Result
MHD_get_timeout64 (struct MHD_Daemon *daemon, uint64_t *timeout);

int64_t
MHD_get_timeout64s (struct MHD_Daemon *daemon);

int
MHD_get_timeout_i (struct MHD_Daemon *daemon);

enum MHD_Result
MHD_run_from_select2 (struct MHD_Daemon *daemon,
                      const fd_set *read_fd_set,
                      const fd_set *write_fd_set,
                      const fd_set *except_fd_set,
                      unsigned int fd_setsize);
