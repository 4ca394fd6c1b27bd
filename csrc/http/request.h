/* SPDX-License-Identifier: MIT
 *
 * A request: made and asked in request.c, answered and ended in answer.c.
 */
#ifndef PYMHD_REQUEST_H
#define PYMHD_REQUEST_H

#include "internal.h"

enum phase { BEGUN, RECEIVING, ASKED, ANSWERED, ENDED };

struct request
{
  struct pymhd_daemon *daemon;
  int64_t token;                /* 0: Python does not know it */
  enum phase phase;
  enum refusal refusal;         /* what to answer without Python, or REFUSALS */
  struct pymhd_response *shared;        /* the answer: this or the next */
  struct MHD_Response *once;
  unsigned int once_status;
  struct text head;             /* for Python; it begins with the target */
  struct text body;
  uint64_t length;              /* of the body, as the client says; 0: unknown */
  uint64_t discarded;
  size_t target_size;
  const char *received_at;      /* the target, in libmicrohttpd's buffer */
  struct request *next;         /* of the daemon's gone or spare */
};

/* --- request.c --- */

/* Will be answered without Python.  The first reason counts. */
void
request_refuse (struct request *request,
                enum refusal why);

/* --- answer.c --- */

/* A new request; NULL if memory is short. */
struct request *
request_make (struct pymhd_daemon *daemon);

/* Queues the answer if it is there.  MHD_NO: the connection is to be closed. */
enum MHD_Result
request_reply (struct request *request,
               struct MHD_Connection *connection);

#endif
