/* SPDX-License-Identifier: MIT
 *
 * An accepted connection, and how far its peer is with a request: what it may cost
 * us depends on that.
 *
 * Whoever serves a connection says where it is; the pump looks at it now and then
 * and ends it if it takes too long.  With threads of libmicrohttpd's these are two
 * threads.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <microhttpd.h>

#include "base/poller.h"

struct handshake;
struct server;

enum stage
{
  OPENED,                       /* of its first request nothing is known */
  KEPT,                         /* one has been answered; nothing of the next is here */
  HEADER,                       /* the first line is here */
  BODY,                         /* the header is here */
  OURS,                         /* the whole request is here, or it is refused */
  CUT                           /* the peer has had its time: it is shut down */
};

/* From NOTIFY_CONNECTION STARTED to CLOSED; then it goes to the gone ones: epoll may
   just have told of it. */
struct client
{
  struct watcher watcher;
  struct server *server;
  struct client *next;          /* of those that ask, that are upgraded, or are gone */
  struct client *previous;
  struct client *next_ending;   /* has hung up; libmicrohttpd ought to read the rest */
  struct client *previous_ending;
  struct client *next_upload;   /* a ring: its body comes; only where the pump drives */
  struct client *previous_upload;
  struct client *next_stuck;
  struct client *next_sending;  /* is being sent a file; guarded by the clients' lock */
  struct client *previous_sending;
  struct MHD_Connection *connection;
  int fd;
  bool watched;                 /* guarded by the clients' lock, as the next ones */
  bool ending;
  bool said_end;                /* SHUT_RD has told libmicrohttpd of the end */
  struct handshake *handshake;  /* NULL without TLS */
  bool undescribed;             /* its TLS: it has not done its handshake */
  bool upgraded;                /* its end is the session's business */
  bool lingers;                 /* it may be sending still when it is closed */
  bool sends;                   /* it is being sent this part of a file: */
  int file_fd;
  uint64_t file_end;

  /* Its request, from the first line to its completion, which libmicrohttpd does
     not always tell of.  Whoever serves it. */
  void *request;
  void (*forget_request) (void *request);

  /* Written by whoever serves it, but CUT. */
  atomic_int stage;
  atomic_uint turn;             /* how many requests have been completed */
  atomic_uint_fast64_t received;        /* bytes of the body */
  atomic_bool hung_up;

  /* deadline.c's: what the last look has seen. */
  int64_t look_ms;              /* when to look again */
  int64_t begun_ms;             /* when its header, or body, has been seen to begin */
  int64_t bytes;                /* that had come in all */
  unsigned int seen_turn;
  int seen_stage;
  bool stirs;                   /* bytes of a further request have come */

  /* client_is_stuck()'s: what its last look has seen. */
  uint64_t read_received;
  unsigned int read_turn;
  int unread;
  int strikes;                  /* looks between which nothing was read */

  char address[128];            /* "host port", "host port flow scope" or "";
                                   over TLS "\tprotocol\tcipher" behind it */
};

/* --- client.c --- */

/* The clients' lock is held: it is to be looked at last. */
void
client_to_end (struct server *server,
               struct client *client);

/* client_address.c: writes "host port", or "" if there is none to tell. */
void
client_format_address (char *text,
                       size_t size,
                       const struct sockaddr *address);

struct client *
client_of (struct MHD_Connection *connection);

/* Whoever serves it: a request has begun.  FORGET is called if its end is not
   told. */
void
client_takes (struct client *client,
              void *request,
              void (*forget) (void *request));

/* Whoever serves it: the request is over. */
void
client_is_free (struct server *server,
                struct client *client);

/* Whoever serves it: which stage begins.  False if it has been cut: nothing may be
   sent to it. */
bool
client_enters (struct server *server,
               struct client *client,
               enum stage stage);

/* --- ends.c --- */

/* The pump: epoll says that a client has ended its half. */
void
client_hung_up (struct watcher *watcher,
                uint32_t events);

/* The clients' lock is held, as in the next two, or the pump drives them. */

/* Whether libmicrohttpd has read nothing since the last look, though there was
   something to read. */
bool
client_is_stuck (struct client *client);

/* Libmicrohttpd ought to come to the end of its input. */
void
ends_add (struct server *server,
          struct client *client);

void
ends_remove (struct server *server,
             struct client *client);

/* --- uploads.c: only where the pump drives, without a lock --- */

void
uploads_add (struct server *server,
             struct client *client);

void
uploads_remove (struct server *server,
                struct client *client);

/* --- sending.c --- */

/* Whoever serves it, before libmicrohttpd has the response: it is sent a file up to
   END.  The descriptor stays open, and is nobody else's, until sending_end(). */
void
sending_begin (struct server *server,
               struct client *client,
               int fd,
               uint64_t end);

/* Whoever serves it: the request is over.  Nothing happens if no file has been
   begun. */
void
sending_end (struct server *server,
             struct client *client);

/* --- deadline.c --- */

/* The clients' lock is held, and the client the last one of the list.  True if the
   pump waits for too long. */
bool
deadline_begin (struct server *server,
                struct client *client);

/* The pump; the clients' lock is held.  Ends a connection, with a last response if
   STATUS is one and nothing else can have been said. */
void
client_cut (struct server *server,
            struct client *client,
            const char *status);

/* --- farewell.c --- */

/* Says a response that libmicrohttpd cannot say any more, to a peer to which it has
   said nothing yet.  Over TLS only whoever serves the connection may do so; CONNECTION
   is NULL elsewhere, and then nothing is said. */
void
farewell (const struct server *server,
          int fd,
          struct MHD_Connection *connection,
          const char *status);

/* --- leaving.c --- */

/* Whoever serves the connection, before libmicrohttpd closes it: reads for a while
   what the peer still sends, since a close would be an RST, which destroys our last
   response on its way. */
void
leaving_begin (struct server *server,
               int fd);
