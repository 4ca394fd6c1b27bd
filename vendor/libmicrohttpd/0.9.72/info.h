union MHD_ConnectionInfo
{
  int cipher_algorithm;
  int protocol;
  int suspended;
  unsigned int connection_timeout;
  MHD_socket connect_fd;
  size_t header_size;
  void *tls_session;
  void *client_cert;
  struct sockaddr *client_addr;
  struct MHD_Daemon *daemon;
  void *socket_context;
  ...;
};

enum MHD_ConnectionInfoType
{
  MHD_CONNECTION_INFO_CIPHER_ALGO,
  MHD_CONNECTION_INFO_PROTOCOL,
  MHD_CONNECTION_INFO_CLIENT_ADDRESS,
  MHD_CONNECTION_INFO_GNUTLS_SESSION,
  MHD_CONNECTION_INFO_GNUTLS_CLIENT_CERT,
  MHD_CONNECTION_INFO_DAEMON,
  MHD_CONNECTION_INFO_CONNECTION_FD,
  MHD_CONNECTION_INFO_SOCKET_CONTEXT,
  MHD_CONNECTION_INFO_CONNECTION_SUSPENDED,
  MHD_CONNECTION_INFO_CONNECTION_TIMEOUT,
  MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE,
  ...
};

union MHD_DaemonInfo
{
  size_t key_size;
  size_t mac_key_size;
  MHD_socket listen_fd;
  uint16_t port;
  int epoll_fd;
  unsigned int num_connections;
  enum MHD_FLAG flags;
  ...;
};

enum MHD_DaemonInfoType
{
  MHD_DAEMON_INFO_KEY_SIZE,
  MHD_DAEMON_INFO_MAC_KEY_SIZE,
  MHD_DAEMON_INFO_LISTEN_FD,
  MHD_DAEMON_INFO_EPOLL_FD_LINUX_ONLY,
  MHD_DAEMON_INFO_EPOLL_FD,
  MHD_DAEMON_INFO_CURRENT_CONNECTIONS,
  MHD_DAEMON_INFO_FLAGS,
  MHD_DAEMON_INFO_BIND_PORT,
  ...
};

enum MHD_FEATURE
{
  MHD_FEATURE_MESSAGES,
  MHD_FEATURE_TLS,
  MHD_FEATURE_SSL,
  MHD_FEATURE_HTTPS_CERT_CALLBACK,
  MHD_FEATURE_IPv6,
  MHD_FEATURE_IPv6_ONLY,
  MHD_FEATURE_POLL,
  MHD_FEATURE_EPOLL,
  MHD_FEATURE_SHUTDOWN_LISTEN_SOCKET,
  MHD_FEATURE_SOCKETPAIR,
  MHD_FEATURE_TCP_FASTOPEN,
  MHD_FEATURE_BASIC_AUTH,
  MHD_FEATURE_DIGEST_AUTH,
  MHD_FEATURE_POSTPROCESSOR,
  MHD_FEATURE_HTTPS_KEY_PASSWORD,
  MHD_FEATURE_LARGE_FILE,
  MHD_FEATURE_THREAD_NAMES,
  MHD_THREAD_NAMES,
  MHD_FEATURE_UPGRADE,
  MHD_FEATURE_RESPONSES_SHARED_FD,
  MHD_FEATURE_AUTODETECT_BIND_PORT,
  MHD_FEATURE_AUTOSUPPRESS_SIGPIPE,
  MHD_FEATURE_SENDFILE,
  MHD_FEATURE_THREADS,
  MHD_FEATURE_HTTPS_CERT_CALLBACK2,
  ...
};

const union MHD_ConnectionInfo *
MHD_get_connection_info (struct MHD_Connection *connection,
                         enum MHD_ConnectionInfoType info_type,
                         ...);

const union MHD_DaemonInfo *
MHD_get_daemon_info (struct MHD_Daemon *daemon,
                     enum MHD_DaemonInfoType info_type,
                     ...);

const char *
MHD_get_version (void);

enum MHD_Result
MHD_is_feature_supported (enum MHD_FEATURE feature);
