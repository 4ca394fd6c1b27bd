/* SPDX-License-Identifier: MIT
 *
 * What the files of csrc share among themselves: the structures, and who may
 * touch them.
 *
 * "The driver" is the thread that runs libmicrohttpd for a connection: the one
 * that calls pymhd_pump(), or one of libmicrohttpd's own, which calls back into
 * Python.  "The pump" is the thread that calls pymhd_pump() in any case: beside
 * libmicrohttpd's threads it has the upgraded connections and the clients to
 * look after, and nothing to run.
 */
#ifndef PYMHD_INTERNAL_H
#define PYMHD_INTERNAL_H

#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/select.h>

#include <microhttpd.h>

#include "api/batch.h"
#include "api/daemon.h"
#include "api/hub.h"
#include "api/log.h"
#include "api/process.h"
#include "api/pump.h"
#include "api/response.h"
#include "api/session.h"
#include "api/tls.h"
#include "api/upgrade.h"
#include "api/zero_copy.h"
#include "api/callbacks/events.h"

/* --- slots.c: integers for pointers.  The caller brings the lock. --- */

struct slots
{
  struct slot *slot;
  uint32_t size;
  uint32_t used;
  uint32_t free;                /* head of the list of free slots, 1-based */
};

int64_t
slots_add (struct slots *slots,
           void *entry);

void *
slots_get (const struct slots *slots,
           int64_t token);

/* The entry in a token's low 32 bits, however often that slot has been used. */
void *
slots_at (const struct slots *slots,
          uint32_t index);

void
slots_remove (struct slots *slots,
              int64_t token);

/* The entry at or after *at, which moves behind it; NULL after the last. */
void *
slots_next (const struct slots *slots,
            uint32_t *at);

void
slots_clear (struct slots *slots);

struct watcher;                 /* pump.c */

/* --- bytes.c: bytes that grow --- */

struct text
{
  char *at;
  size_t size;
  size_t room;
};

bool
text_add (struct text *text,
          const void *bytes,
          size_t size);

/* Makes room for so many bytes more.  False if memory is short. */
bool
text_reserve (struct text *text,
              size_t size);

/* --- select.c --- */

struct pymhd_select
{
  bool known;                   /* what select() has said */
  fd_set read;
  fd_set write;
  fd_set except;
};

int
select_open (struct pymhd_daemon *daemon);

bool
select_wait (struct pymhd_daemon *daemon,
             int timeout_ms);

void
select_run (struct pymhd_daemon *daemon);

/* --- lifecycle.c --- */

enum refusal { BAD_REQUEST, TOO_LARGE, FAILED, UNAVAILABLE, REFUSALS };

struct pymhd_daemon
{
  struct MHD_Daemon *mhd;
  int64_t owner;                /* names the Python object in callbacks */
  bool calls_back;              /* threads of libmicrohttpd's run the handlers */
  bool per_connection;          /* each connection has one, which waits for its end */
  bool edge_triggered;          /* libmicrohttpd uses epoll */
  bool selects;                 /* the pump drives it by select() */
  bool tls;
  bool client_ca;               /* clients must have a certificate */
  bool sessions_ended;          /* stop(): no more of them; session.c's lock */
  size_t body_limit;
  unsigned int connection_limit;
  struct pymhd_response *refusal[REFUSALS];

  atomic_uint connections;
  atomic_uint requests;         /* whose head is here, not yet answered in full */
  atomic_uint upgraded;
  atomic_int_fast64_t next_token;       /* of requests that call back */
  atomic_bool refusing;         /* stop() has begun */
  atomic_bool wants_python;     /* pymhd_pump() is to return to Python */
  atomic_bool late;             /* stop() waits no longer */
  atomic_bool deaf;             /* quiesced in epoll's stead */
  atomic_bool dead;             /* we are a fork's child: nothing may be called */

  /* A leaf: guards clients, reason, and stop_fd and wake_fd against their end. */
  pthread_mutex_t lock;
  struct client *clients;
  struct client *hung_up;       /* whose end libmicrohttpd may not know */
  struct client *gone_clients;  /* which the pump may still be told of */
  char reason[256];             /* the last line that libmicrohttpd logged */
  int listen_fd;                /* libmicrohttpd's to close, unless quiesced */
  bool quiesced;
  int stop_fd;                  /* readable once stop() has begun */

  /* The pump's: only its driver touches them, but for wake_fd. */
  int epoll_fd;
  int wake_fd;                  /* readable: pymhd_pump() has something to do */
  int mhd_epoll_fd;
  struct pymhd_select sets;
  bool mhd_is_ready;            /* epoll has said so */
  unsigned int turns;
  bool unfinished;              /* libmicrohttpd wants to run at once */
  int in_vain;                  /* how often it has, and has told us nothing */
  bool answered;                /* there are answers that it has not seen */
  int64_t looked_ms;            /* when it last looked at what is not libmicrohttpd's */
  int runs_left;                /* how often it must run for what has been closed */
  atomic_bool starved;          /* it listens no more, for want of descriptors */
  int64_t starved_until_ms;     /* when to look whether there are some again */
  struct slots asked;           /* requests that wait for Python's answer */
  struct request *gone;         /* ended, while events may point to their bodies */
  struct request *spare;        /* ended, for the next ones */
  unsigned int spares;
  struct repeat *repeats;       /* answers that came again */
  struct pymhd_event *events;
  int event_count;
  int event_room;
  struct text text;             /* what the events' text_end points into */
  struct pymhd_batch batch;     /* the same, for Python */

  struct hub *hub;

  struct session *closing;      /* for the driver to close; session.c's lock */
  struct session *lingering;    /* the driver's alone */
  struct relay *ready_relays;   /* the same */
  atomic_int_fast64_t idle_due_ms;      /* when to look at sessions; 0: never */

  struct pymhd_daemon *next;    /* all daemons, for a fork's child */
  struct pymhd_daemon *previous;
};

void
daemon_called_back (struct pymhd_daemon *daemon,
                    bool upgraded);

/* Takes the events of the listening socket from libmicrohttpd's own epoll thread,
   which does not know.  MHD_quiesce_daemon() may abort the process beside that
   thread, in all releases: both may want to take the socket out of epoll.  Any
   thread; no lock. */
void
daemon_deafen (struct pymhd_daemon *daemon);

/* --- client.c --- */

/* MHD_AcceptPolicyCallback */
enum MHD_Result
client_policy (void *cls,
               const struct sockaddr *address,
               socklen_t size);

/* MHD_NotifyConnectionCallback */
void
client_notify (void *cls,
               struct MHD_Connection *connection,
               void **socket_context,
               enum MHD_ConnectionNotificationCode code);

/* The driver, inside the upgrade handler: its end is the session's business now.
   With HAND_OVER its descriptor may stay in epoll: true if it is there, for the caller
   to pump_rewatch() or to pump_unwatch() it. */
bool
client_upgraded (struct pymhd_daemon *daemon,
                 struct MHD_Connection *connection,
                 bool hand_over);

/* The pump: epoll says that a client has ended its half. */
void
client_hung_up (struct pymhd_daemon *daemon,
                struct watcher *watcher);

/* The pump, when it has dealt with all that epoll said and libmicrohttpd has run:
   lets that know of ends.  True if it has to be asked again soon. */
bool
clients_tend (struct pymhd_daemon *daemon);

/* Beside libmicrohttpd's own threads, which are to have no connections any more when
   it is stopped: up to 0.9.77 it forgets the response to a malformed request that one
   of them meets then, and crashes.  They have been told to accept nobody. */
void
clients_leave (struct pymhd_daemon *daemon);

/* The peer of a connection as text, "" if there is none to tell. */
const char *
client_address (struct MHD_Connection *connection);

void
clients_forked (struct pymhd_daemon *daemon);

/* --- request.c, answer.c --- */

/* MHD_OPTION_URI_LOG_CALLBACK: makes the request, which becomes req_cls. */
void *
request_begin (void *cls,
               const char *uri,
               struct MHD_Connection *connection);

enum MHD_Result
request_access (void *cls,
                struct MHD_Connection *connection,
                const char *url,
                const char *method,
                const char *version,
                const char *upload_data,
                size_t *upload_data_size,
                void **req_cls);

void
request_completed (void *cls,
                   struct MHD_Connection *connection,
                   void **req_cls,
                   enum MHD_RequestTerminationCode toe);

/* Gives Python's answer to a request that waits for it; nothing happens if
   the request has ended meanwhile.  BYTES: the body, then the fields. */
void
request_answer (struct pymhd_daemon *daemon,
                const struct pymhd_answer *answer,
                const char *bytes);

/* The request behind an upgrade: its daemon and its token for Python. */
struct pymhd_daemon *
request_of_upgrade (void *req_cls,
                    int64_t *token);

/* The request has become a session. */
void
request_upgraded (void *req_cls);

/* Frees requests that ended when their event was on its way to Python. */
void
requests_free_gone (struct pymhd_daemon *daemon);

/* Frees what is kept: libmicrohttpd has been stopped. */
void
requests_free (struct pymhd_daemon *daemon);

/* --- zero_copy.c --- */

/* A response with the body that pymhd_lend() has announced, which stays where it
   is.  NULL, and it has been given back, if memory is short.  Any thread. */
struct MHD_Response *
lent_response (const char *body,
               size_t size);

/* Whether pymhd_lent_take() has something to give.  Any thread. */
bool
lent_is_returned (void);

void
lent_forked (void);

/* --- response_cache.c --- */

/* The response to send for an answer that has come before: the daemon's, as long
   as no other call is made.  NULL: the answer has not.  BYTES: the body, then
   the fields. */
struct pymhd_response *
repeats_find (struct pymhd_daemon *daemon,
              const struct pymhd_answer *answer,
              const char *bytes);

void
repeats_free (struct pymhd_daemon *daemon);

/* --- response.c --- */

/* One of our own short answers; it closes the connection. */
struct pymhd_response *
response_refusal (enum refusal which);

/* A response for one request; the caller destroys it.  NULL if memory is
   short or libmicrohttpd refuses a field. */
struct MHD_Response *
response_once (const char *body,
               size_t body_size,
               const char *fields,
               size_t fields_size);

enum MHD_Result
response_queue (struct pymhd_response *response,
                struct MHD_Connection *connection);

bool
response_upgrades (const struct pymhd_response *response);

/* Destroys what finalizers have left.  Called where no lock of
   libmicrohttpd's is held. */
void
response_drain (void);

/* --- upgrade.c --- */

/* The MHD_UpgradeHandler behind every Response.for_upgrade(). */
void
upgrade_begin (void *cls,
               struct MHD_Connection *connection,
               void *req_cls,
               const char *extra_in,
               size_t extra_in_size,
               MHD_socket sock,
               struct MHD_UpgradeResponseHandle *urh);

/* The request's 101 went out, and there is no way to hand its connection over:
   says so, once, and closes it. */
void
upgrade_give_up (struct pymhd_daemon *daemon,
                 int64_t request,
                 struct MHD_UpgradeResponseHandle *urh,
                 const char *why);

/* --- link.c, input.c: upgraded connections that the pump serves itself --- */

bool
hub_open (struct pymhd_daemon *daemon);

/* The MHD_UpgradeHandler behind Response.for_upgrade(run="hub"). */
void
hub_begin (void *cls,
           struct MHD_Connection *connection,
           void *req_cls,
           const char *extra_in,
           size_t extra_in_size,
           MHD_socket sock,
           struct MHD_UpgradeResponseHandle *urh);

void
hub_ready (struct watcher *watcher,
           uint32_t events);

/* The pump: whether it has connections. */
bool
hub_is_used (const struct pymhd_daemon *daemon);

/* The pump: whether something waits that epoll does not tell of. */
bool
hub_is_ready (const struct pymhd_daemon *daemon);

/* The pump: makes a batch of events; returns how many there are. */
int
hub_collect (struct pymhd_daemon *daemon);

/* stop(), on the driver's thread, before the sessions are ended. */
void
hub_end (struct pymhd_daemon *daemon);

void
hub_free (struct pymhd_daemon *daemon);

/* --- session.c --- */

struct relay;
struct tls;
struct session;
struct link;

/* Takes what it needs for TLS over, of which one is NULL at least.  NULL if memory
   is short, or stop() has ended them all. */
struct session *
session_new (struct pymhd_daemon *daemon,
             int fd,
             struct relay *relay,
             struct tls *tls,
             struct MHD_UpgradeResponseHandle *urh,
             struct link *link,
             int64_t *token);

/* "per-connection", in stop(): lets go every connection's thread that waits; no
   other one will. */
void
sessions_release (struct pymhd_daemon *daemon);

void
sessions_forked (void);

/* The pump: takes the connections out of sets to watch. */
void
sessions_unset (struct pymhd_daemon *daemon,
                struct pymhd_select *sets);

/* Any thread: whether somebody has closed it. */
bool
session_is_closing (struct session *session);

/* --- idle.c --- */

/* The pump: ends sessions that have been idle for too long.  Milliseconds until
   it is to be called again, -1 for never. */
int64_t
sessions_idle (struct pymhd_daemon *daemon);

/* --- linger.c: how they end --- */

/* "per-connection": waits until Python closes the session, then closes it
   for libmicrohttpd on this, the connection's own thread. */
void
session_wait (struct session *session);

/* The pump: closes what Python has closed since. */
void
sessions_close_pending (struct pymhd_daemon *daemon);

/* The pump: closes the session of a link that has left the hub.  RESET: the peer
   has ended it with an error. */
void
session_leave_hub (struct pymhd_daemon *daemon,
                   int64_t token,
                   bool reset);

/* The pump: epoll says that a lingering session has input or has ended. */
void
session_readable (struct watcher *watcher);

/* The pump: begins to move what comes over TLS. */
void
session_begin (struct session *session);

/* The pump, when all that epoll said has been read: moves what is ready over
   TLS. */
void
sessions_relay (struct pymhd_daemon *daemon);

/* The pump: ends sessions that lingered too long.  Milliseconds until the
   next one, -1 for none. */
int
sessions_linger (struct pymhd_daemon *daemon);

/* The pump, in stop(): closes every session of the daemon now; there will be no
   others. */
void
sessions_end (struct pymhd_daemon *daemon);

/* --- pump.c --- */

/* After so many runs in vain, one a millisecond is enough. */
#define VAIN_RUNS 1000

/* 0, or the errno of what failed. */
int
pump_open (struct pymhd_daemon *daemon);

/* Takes libmicrohttpd in.  The same. */
int
pump_drive (struct pymhd_daemon *daemon);

void
pump_free (struct pymhd_daemon *daemon);

/* Adds an event to the batch.  False if memory is short. */
bool
pump_add (struct pymhd_daemon *daemon,
          const struct pymhd_event *event);

/* Any thread: interrupts the pump's waiting. */
void
pump_wake (struct pymhd_daemon *daemon);

/* timeout.c: how long epoll may wait: the caller's limit (-1: none),
   libmicrohttpd's, that of sessions which linger or are idle. */
int
pump_patience (struct pymhd_daemon *daemon,
               int64_t limit_ms);

/* libmicrohttpd must run so often from now on, whatever it says itself. */
void
pump_run_again (struct pymhd_daemon *daemon,
                int times);

/* Says CLOSE to an upgraded connection, and sees that it is carried out. */
void
pump_close (struct pymhd_daemon *daemon,
            struct MHD_UpgradeResponseHandle *urh);

/* Whose descriptor it is that epoll tells of: the first member of its owner. */
struct watcher
{
  enum { OF_MHD, OF_WAKE, OF_CLIENT, OF_SESSION, OF_RELAY, OF_LINK } of;
};

/* Watches fd for epoll's events; the watcher must outlive that. */
bool
pump_watch (struct pymhd_daemon *daemon,
            int fd,
            uint32_t events,
            struct watcher *watcher);

/* Tells another watcher of other events of what is watched already. */
bool
pump_rewatch (struct pymhd_daemon *daemon,
              int fd,
              uint32_t events,
              struct watcher *watcher);

void
pump_unwatch (struct pymhd_daemon *daemon,
              int fd);

/* --- accept.c --- */

/* libmicrohttpd had no descriptor to accept with, and listens no more. */
void
accept_failed (struct pymhd_daemon *daemon);

/* The pump: milliseconds until it is to be tried again, -1 for never. */
int64_t
accept_patience (const struct pymhd_daemon *daemon);

/* The pump: makes libmicrohttpd listen again, if there are descriptors. */
void
accept_again (struct pymhd_daemon *daemon);

/* --- log.c --- */

void
log_mhd (void *cls,
         const char *format,
         va_list arguments);

void
log_line (const char *format,
          ...) __attribute__ ((format (printf, 1, 2)));

void
log_forked (void);

/* --- all files --- */

int64_t
monotonic_ms (void);

#endif
