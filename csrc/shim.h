/* SPDX-License-Identifier: MIT
 *
 * What csrc offers to Python.  Bare declarations: the C compiler and cffi
 * read this same file, so that they cannot disagree.
 */

/* --- upgrade.c: the function that libmicrohttpd has only in its experimental tree --- */

struct MHD_Response *
MHD_response_for_upgrade (MHD_UpgradeHandler upgrade_handler,
                          void *upgrade_handler_cls);

enum MHD_Result
pymhd_queue_upgrade (struct MHD_Connection *connection,
                     struct MHD_Response *response);

/* --- response.c: responses that any number of requests and threads share --- */

struct pymhd_response;

struct pymhd_response *
pymhd_response_new (unsigned int status,
                    const char *body,
                    size_t body_size,
                    const char *fields,
                    size_t fields_size);

struct pymhd_response *
pymhd_response_new_lent (unsigned int status,
                         const char *body,
                         size_t body_size,
                         const char *fields,
                         size_t fields_size);

struct pymhd_response *
pymhd_response_new_upgrade (const char *fields,
                            size_t fields_size,
                            int hub);

void
pymhd_response_ref (struct pymhd_response *response);

void
pymhd_response_unref (struct pymhd_response *response);

/* --- zero_copy.c: bodies that are sent from Python's memory --- */

int
pymhd_lend (void);

int64_t
pymhd_lent_take (void);

/* --- lifecycle.c: one libmicrohttpd daemon, run by a pump or by its own threads --- */

struct pymhd_daemon;

struct pymhd_settings
{
  int listen_fd;
  unsigned int flags;
  unsigned int pool;
  unsigned int connections;
  unsigned int connections_per_ip;
  unsigned int timeout_seconds;
  size_t memory;
  size_t stack;
  size_t body;
  const char *cert;             /* PEM, NULL without TLS, as all of these */
  const char *key;
  const char *password;
  const char *client_ca;
  const char *priorities;
};

struct pymhd_daemon *
pymhd_daemon_new (int64_t owner);

int
pymhd_daemon_start (struct pymhd_daemon *daemon,
                    const struct pymhd_settings *settings);

const char *
pymhd_daemon_reason (struct pymhd_daemon *daemon);

void
pymhd_daemon_refuse (struct pymhd_daemon *daemon);

void
pymhd_daemon_quiesce (struct pymhd_daemon *daemon);

void
pymhd_daemon_stop (struct pymhd_daemon *daemon);

void
pymhd_daemon_free (struct pymhd_daemon *daemon);

unsigned int
pymhd_daemon_connections (struct pymhd_daemon *daemon);

unsigned int
pymhd_daemon_requests (struct pymhd_daemon *daemon);

unsigned int
pymhd_daemon_upgraded (struct pymhd_daemon *daemon);

/* --- pump.c: Python drives libmicrohttpd, one call a batch --- */

enum pymhd_event_kind
{
  PYMHD_EVENT_REQUEST,
  PYMHD_EVENT_UPGRADED,
  PYMHD_EVENT_ABANDONED
};

/* Five integers, so that Python unpacks a whole batch in one call.  The text of each
   begins where the one before it ends.  A request has a body: at an address, or, where
   that is 0, at the end of its text; an upgrade has a session and a descriptor. */
struct pymhd_event
{
  int64_t kind;
  int64_t request;
  int64_t text_end;
  union
  {
    int64_t body;
    int64_t session;
  };
  union
  {
    int64_t body_size;
    int64_t fd;
  };
};

/* Followed by body_size bytes of a body and fields_size bytes of fields, unless
   the response is shared: then its address stands here. */
struct pymhd_answer
{
  int64_t request;
  int64_t shared;
  uint32_t status;
  uint32_t body_size;
  uint32_t fields_size;
};

/* Valid until the next call. */
struct pymhd_batch
{
  const struct pymhd_event *events;
  const char *text;
  size_t text_size;
  int count;
  int returned;                 /* pymhd_lent_take() has something to give */
};

void
pymhd_pump_answer (struct pymhd_daemon *daemon,
                   const char *answers,
                   size_t size);

const struct pymhd_batch *
pymhd_pump (struct pymhd_daemon *daemon,
            int timeout_ms);

const struct pymhd_batch *
pymhd_pump_batch (struct pymhd_daemon *daemon);

void
pymhd_pump_wake (struct pymhd_daemon *daemon);

int
pymhd_pump_timeout (struct pymhd_daemon *daemon);

int
pymhd_pump_fileno (struct pymhd_daemon *daemon);

/* --- select.c: the same in select mode --- */

enum pymhd_fdset
{
  PYMHD_FDSET_READ = 1,
  PYMHD_FDSET_WRITE = 2,
  PYMHD_FDSET_EXCEPT = 4
};

void
pymhd_pump_fdset (struct pymhd_daemon *daemon,
                  unsigned char *watched,
                  int size);

/* --- link.c, input.c, outbox.c: upgraded connections that the pump serves itself --- */

enum pymhd_hub_kind
{
  PYMHD_HUB_DATA,
  PYMHD_HUB_MADE,
  PYMHD_HUB_EOF,
  PYMHD_HUB_DRAINED,
  PYMHD_HUB_LOST
};

/* DATA: from where to where in the arena.  MADE: the request and the session.
   LOST: an errno, 0 for none. */
struct pymhd_hub_event
{
  int64_t kind;
  int64_t connection;
  int64_t first;
  int64_t second;
};

struct pymhd_hub
{
  int count;                    /* Python sets it to 0 when it is through */
  int is_full;                  /* there is more to be read than had room */
  int64_t *events;
  char *arena;
  size_t arena_size;
  int crossed_count;
  int32_t *crossed;
};

struct pymhd_hub *
pymhd_hub_batch (struct pymhd_daemon *daemon);

void
pymhd_hub_collect (struct pymhd_daemon *daemon);

int
pymhd_hub_write (struct pymhd_daemon *daemon,
                 const int32_t *connections,
                 const int64_t *sizes,
                 int count,
                 const char *bytes);

int
pymhd_hub_send (struct pymhd_daemon *daemon,
                int32_t connection,
                const char *bytes,
                size_t size);

int
pymhd_hub_broadcast (struct pymhd_daemon *daemon,
                     const int32_t *connections,
                     int count,
                     const char *bytes,
                     size_t size);

int
pymhd_hub_limits (struct pymhd_daemon *daemon,
                  int32_t connection,
                  size_t high,
                  size_t low);

size_t
pymhd_hub_buffered (struct pymhd_daemon *daemon,
                    int32_t connection);

void
pymhd_hub_pause (struct pymhd_daemon *daemon,
                 int32_t connection,
                 int pause);

void
pymhd_hub_shut (struct pymhd_daemon *daemon,
                int32_t connection);

void
pymhd_hub_close (struct pymhd_daemon *daemon,
                 int32_t connection,
                 int abort);

void
pymhd_hub_release (struct pymhd_daemon *daemon,
                   const int32_t *connections,
                   int count);

/* --- session.c: upgraded connections, by token --- */

int
pymhd_session_dup (int64_t session);

int
pymhd_session_close (int64_t session);

int
pymhd_sessions_shutdown (struct pymhd_daemon *daemon,
                         int how);

int
pymhd_session_is_live (int64_t session);

int64_t
pymhd_sessions_live (void);

int
pymhd_session_error (int64_t session);

/* --- sockopt.c: options of a session's own socket, also where TLS is between --- */

int
pymhd_session_setsockopt (int64_t session,
                          int level,
                          int name,
                          const char *value,
                          unsigned int size);

int
pymhd_session_getsockopt (int64_t session,
                          int level,
                          int name,
                          char *value,
                          unsigned int *size);

/* --- idle.c --- */

void
pymhd_session_limit (int64_t session,
                     int64_t limit_ms);

void
pymhd_session_touch (int64_t session);

/* --- gnutls.c: whether TLS can be had, with this certificate --- */

int
pymhd_tls_supported (void);

const char *
pymhd_tls_error (int error);

int
pymhd_tls_check_pair (const char *cert,
                      const char *key,
                      const char *password);

int
pymhd_tls_check_ca (const char *ca);

int
pymhd_tls_check_priorities (const char *priorities);

/* --- log.c: libmicrohttpd's messages, kept in C until a Python thread takes them --- */

int
pymhd_log_next (char *line,
                size_t size);

void
pymhd_log_wait (void);

void
pymhd_log_wake (void);

uint64_t
pymhd_log_dropped (void);

/* --- info.c: versions and the process --- */

unsigned int
pymhd_header_version (void);

void
pymhd_forked (void);
