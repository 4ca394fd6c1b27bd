/* SPDX-License-Identifier: MIT
 *
 * A request: made and asked in request.c, answered and ended in answer.c.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <microhttpd.h>

#include "base/buffer.h"
#include "base/slots.h"
#include "http/response.h"

struct client;
struct hub;
struct pymhd_answer;
struct pymhd_quota;
struct pymhd_response;
struct repeat;
struct server;
struct sessions;

enum phase
{
  BEGUN,                        /* its target is here */
  RECEIVING,                    /* its header is */
  ASKED,                        /* Python is at it */
  ANSWERED,                     /* a response has been queued */
  ENDED
};

struct request
{
  struct requests *requests;
  struct client *client;        /* whose it is, until it is completed */
  int64_t token;                /* 0: Python does not know it */
  enum phase phase;
  enum refusal refusal;         /* what to answer without Python, or REFUSALS */
  struct pymhd_response *shared;        /* the answer: this or the next */
  struct MHD_Response *once;
  unsigned int once_status;
  size_t header_size;           /* bytes of the answer's fields */
  bool has_place;               /* in the quota of upgrades */
  struct buffer head;             /* for Python; it begins with the target */
  struct buffer body;
  uint64_t length;              /* of the body, as the client says; 0: unknown */
  bool in_chunks;               /* its body, which may have a trailer */
  size_t target_size;
  const char *received_at;      /* the target, in libmicrohttpd's buffer */
  const char *body_at;          /* where its body has to begin; NULL: anywhere */
  struct MHD_Connection *early; /* while its lines come; early.c's */
  struct request *next_begun;
  struct request *previous_begun;
  struct request *next;         /* of the daemon's gone or spare */
};

/* Those of a driver. */
struct requests
{
  struct server *server;
  /* What upgrade handlers find by their request; the floors above know these. */
  struct sessions *sessions;
  struct hub *hub;
  struct pymhd_response *refusal[REFUSALS];
  atomic_int_fast64_t next_token;       /* of requests that call back */
  /* The pump's: */
  struct request *begun;        /* whose lines have yet to come */
  struct slots asked;           /* requests that wait for Python's answer */
  struct request *gone;         /* ended, while events may point to their bodies */
  struct request *spare;        /* ended, for the next ones */
  unsigned int spares;
  struct repeat *repeats;       /* answers that came again */
};

/* phase.c: the only place that changes it. */
void
request_enter (struct request *request,
               enum phase phase);

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
request_answer (struct requests *requests,
                const struct pymhd_answer *answer,
                const char *bytes);

/* The request behind an upgrade: whose it is, and its token for Python. */
struct requests *
request_of_upgrade (void *req_cls,
                    int64_t *token);

/* The request has become a session, or, without one, an end. */
void
request_upgraded (void *req_cls,
                  bool has_session);

/* The thread that starts the driver.  False if memory is short. */
bool
requests_open (struct requests *requests);

/* Frees requests that ended when their event was on its way to Python. */
void
requests_free_gone (struct requests *requests);

/* Frees what is kept: libmicrohttpd has been stopped. */
void
requests_free (struct requests *requests);

/* --- request.c --- */

/* Will be answered without Python.  The first reason counts. */
void
request_refuse (struct request *request,
                enum refusal why);

/* --- answer.c --- */

/* A new request; NULL if memory is short. */
struct request *
request_make (struct requests *requests);

/* Ends it: as request_completed(), where libmicrohttpd does not call that. */
void
request_forget (void *request);

/* libmicrohttpd has logged on this thread that the header of a response had no room. */
void
request_header_failed (void);

/* The same: that the next response is its own. */
void
request_answered_elsewhere (void);

/* Queues the answer if it is there.  MHD_NO: the connection is to be closed. */
enum MHD_Result
request_reply (struct request *request,
               struct MHD_Connection *connection);

/* requests.c: the request has been answered, or never will be. */
void
request_end (struct request *request);

/* requests.c: nobody knows the request any more. */
void
request_unmake (struct request *request);

/* answer.c: gives the place back that it has for its upgrade. */
void
request_leave_place (struct request *request);
