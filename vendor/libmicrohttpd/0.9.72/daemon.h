enum MHD_FLAG
{
  MHD_NO_FLAG,
  MHD_USE_ERROR_LOG,
  MHD_USE_DEBUG,
  MHD_USE_TLS,
  MHD_USE_SSL,
  MHD_USE_THREAD_PER_CONNECTION,
  MHD_USE_INTERNAL_POLLING_THREAD,
  MHD_USE_SELECT_INTERNALLY,
  MHD_USE_IPv6,
  MHD_USE_PEDANTIC_CHECKS,
  MHD_USE_POLL,
  MHD_USE_POLL_INTERNAL_THREAD,
  MHD_USE_POLL_INTERNALLY,
  MHD_USE_SUPPRESS_DATE_NO_CLOCK,
  MHD_SUPPRESS_DATE_NO_CLOCK,
  MHD_USE_NO_LISTEN_SOCKET,
  MHD_USE_EPOLL,
  MHD_USE_EPOLL_LINUX_ONLY,
  MHD_USE_EPOLL_INTERNAL_THREAD,
  MHD_USE_EPOLL_INTERNALLY,
  MHD_USE_EPOLL_INTERNALLY_LINUX_ONLY,
  MHD_USE_ITC,
  MHD_USE_PIPE_FOR_SHUTDOWN,
  MHD_USE_DUAL_STACK,
  MHD_USE_TURBO,
  MHD_USE_EPOLL_TURBO,
  MHD_ALLOW_SUSPEND_RESUME,
  MHD_USE_SUSPEND_RESUME,
  MHD_USE_TCP_FASTOPEN,
  MHD_ALLOW_UPGRADE,
  MHD_USE_AUTO,
  MHD_USE_AUTO_INTERNAL_THREAD,
  MHD_USE_POST_HANDSHAKE_AUTH_SUPPORT,
  MHD_USE_INSECURE_TLS_EARLY_DATA,
  ...
};

enum MHD_OPTION
{
  MHD_OPTION_END,
  MHD_OPTION_CONNECTION_MEMORY_LIMIT,
  MHD_OPTION_CONNECTION_LIMIT,
  MHD_OPTION_CONNECTION_TIMEOUT,
  MHD_OPTION_NOTIFY_COMPLETED,
  MHD_OPTION_PER_IP_CONNECTION_LIMIT,
  MHD_OPTION_SOCK_ADDR,
  MHD_OPTION_URI_LOG_CALLBACK,
  MHD_OPTION_HTTPS_MEM_KEY,
  MHD_OPTION_HTTPS_MEM_CERT,
  MHD_OPTION_HTTPS_CRED_TYPE,
  MHD_OPTION_HTTPS_PRIORITIES,
  MHD_OPTION_LISTEN_SOCKET,
  MHD_OPTION_EXTERNAL_LOGGER,
  MHD_OPTION_THREAD_POOL_SIZE,
  MHD_OPTION_ARRAY,
  MHD_OPTION_UNESCAPE_CALLBACK,
  MHD_OPTION_DIGEST_AUTH_RANDOM,
  MHD_OPTION_NONCE_NC_SIZE,
  MHD_OPTION_THREAD_STACK_SIZE,
  MHD_OPTION_HTTPS_MEM_TRUST,
  MHD_OPTION_CONNECTION_MEMORY_INCREMENT,
  MHD_OPTION_HTTPS_CERT_CALLBACK,
  MHD_OPTION_TCP_FASTOPEN_QUEUE_SIZE,
  MHD_OPTION_HTTPS_MEM_DHPARAMS,
  MHD_OPTION_LISTENING_ADDRESS_REUSE,
  MHD_OPTION_HTTPS_KEY_PASSWORD,
  MHD_OPTION_NOTIFY_CONNECTION,
  MHD_OPTION_LISTEN_BACKLOG_SIZE,
  MHD_OPTION_STRICT_FOR_CLIENT,
  MHD_OPTION_GNUTLS_PSK_CRED_HANDLER,
  MHD_OPTION_HTTPS_CERT_CALLBACK2,
  MHD_OPTION_SERVER_INSANITY,
  ...
};

enum MHD_DisableSanityCheck { MHD_DSC_SANE, ... };

struct MHD_OptionItem
{
  enum MHD_OPTION option;
  intptr_t value;
  void *ptr_value;
  ...;
};

enum MHD_RequestTerminationCode
{
  MHD_REQUEST_TERMINATED_COMPLETED_OK,
  MHD_REQUEST_TERMINATED_WITH_ERROR,
  MHD_REQUEST_TERMINATED_TIMEOUT_REACHED,
  MHD_REQUEST_TERMINATED_DAEMON_SHUTDOWN,
  MHD_REQUEST_TERMINATED_READ_ERROR,
  MHD_REQUEST_TERMINATED_CLIENT_ABORT,
  ...
};

enum MHD_ConnectionNotificationCode
{
  MHD_CONNECTION_NOTIFY_STARTED,
  MHD_CONNECTION_NOTIFY_CLOSED,
  ...
};

typedef void
(*MHD_LogCallback) (void *cls, const char *fm, va_list ap);

typedef void
(*MHD_PanicCallback) (void *cls,
                      const char *file,
                      unsigned int line,
                      const char *reason);

typedef int
(*MHD_PskServerCredentialsCallback) (void *cls,
                                     const struct MHD_Connection *connection,
                                     const char *username,
                                     void **psk,
                                     size_t *psk_size);

typedef enum MHD_Result
(*MHD_AcceptPolicyCallback) (void *cls,
                             const struct sockaddr *addr,
                             socklen_t addrlen);

typedef enum MHD_Result
(*MHD_AccessHandlerCallback) (void *cls,
                              struct MHD_Connection *connection,
                              const char *url,
                              const char *method,
                              const char *version,
                              const char *upload_data,
                              size_t *upload_data_size,
                              void **con_cls);

typedef void
(*MHD_RequestCompletedCallback) (void *cls,
                                 struct MHD_Connection *connection,
                                 void **con_cls,
                                 enum MHD_RequestTerminationCode toe);

typedef void
(*MHD_NotifyConnectionCallback) (void *cls,
                                 struct MHD_Connection *connection,
                                 void **socket_context,
                                 enum MHD_ConnectionNotificationCode toe);

struct MHD_Daemon *
MHD_start_daemon_va (unsigned int flags,
                     uint16_t port,
                     MHD_AcceptPolicyCallback apc, void *apc_cls,
                     MHD_AccessHandlerCallback dh, void *dh_cls,
                     va_list ap);

struct MHD_Daemon *
MHD_start_daemon (unsigned int flags,
                  uint16_t port,
                  MHD_AcceptPolicyCallback apc, void *apc_cls,
                  MHD_AccessHandlerCallback dh, void *dh_cls,
                  ...);

MHD_socket
MHD_quiesce_daemon (struct MHD_Daemon *daemon);

void
MHD_stop_daemon (struct MHD_Daemon *daemon);

enum MHD_Result
MHD_add_connection (struct MHD_Daemon *daemon,
                    MHD_socket client_socket,
                    const struct sockaddr *addr,
                    socklen_t addrlen);

enum MHD_Result
MHD_get_fdset (struct MHD_Daemon *daemon,
               fd_set *read_fd_set,
               fd_set *write_fd_set,
               fd_set *except_fd_set,
               MHD_socket *max_fd);

enum MHD_Result
MHD_get_fdset2 (struct MHD_Daemon *daemon,
                fd_set *read_fd_set,
                fd_set *write_fd_set,
                fd_set *except_fd_set,
                MHD_socket *max_fd,
                unsigned int fd_setsize);

enum MHD_Result
MHD_get_timeout (struct MHD_Daemon *daemon, unsigned long long *timeout);

enum MHD_Result
MHD_run (struct MHD_Daemon *daemon);

enum MHD_Result
MHD_run_from_select (struct MHD_Daemon *daemon,
                     const fd_set *read_fd_set,
                     const fd_set *write_fd_set,
                     const fd_set *except_fd_set);

void
MHD_set_panic_func (MHD_PanicCallback cb, void *cls);

void
MHD_free (void *ptr);
