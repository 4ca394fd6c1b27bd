/* SPDX-License-Identifier: MIT
 *
 * A request from its first line until Python is asked: libmicrohttpd's
 * callbacks.
 *
 * All of them run on the driver's thread.  With the pump, none enters Python:
 * the access handler gathers the body, puts one event into the batch and goes
 * on returning MHD_YES without a response until the answer is there, for which
 * libmicrohttpd calls it again.  On libmicrohttpd's own threads it calls
 * pymhd_on_request() and has the answer at once.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "http/request.h"
#include "api/batch.h"
#include "api/callbacks/events.h"
#include "base/buffer.h"
#include "base/life.h"
#include "base/slots.h"
#include "http/early.h"
#include "http/head.h"
#include "http/response.h"
#include "mhd/batch.h"
#include "mhd/client_state.h"
#include "mhd/config.h"
#include "mhd/runs.h"
#include "mhd/server.h"

/* libmicrohttpd parses the arguments behind the question mark, and keeps a record of
   each in the connection's memory.  We do not use them, and without this a request
   could have only some hundred of them, and no answer if it has more.  It reads up to
   the NUL that we put there; the string is in a buffer of the connection's. */
static void
request_hide_query (const char *uri,
                    size_t size)
{
  const char *const mark = memchr (uri, '?', size);

  if ( (NULL != mark) &&
       (mark + 1 < uri + size) )
    ((char *) (uintptr_t) mark)[1] = '\0';
}


static bool
request_take_target (struct request *request,
                     const char *uri)
{
  request->received_at = uri;
  request->target_size = strlen (uri);
  /* head_read() adds the rest, and fails too where memory is short. */
  if (! buffer_add (&request->head, uri, request->target_size))
    return false;
  request_hide_query (uri, request->target_size);
  return true;
}


/* MHD_OPTION_URI_LOG_CALLBACK; no lock of libmicrohttpd's.  The raw target is
   seen only here: what the access handler gets is decoded and cut. */
void *
request_begin (void *cls,
               const char *uri,
               struct MHD_Connection *connection)
{
  struct requests *const requests = cls;
  struct client *const client = client_of (connection);
  struct request *const request = NULL == client ? NULL : request_make (requests);

  if (NULL == request)
    return NULL;
  early_begin (request, connection);
  request->client = client;
  client_takes (client, request, &request_forget);
  (void) client_enters (requests->server, client, HEADER);
  if ( (NULL != uri) &&
       (! request_take_target (request, uri)) )
    request->refusal = FAILED;
  return request;
}


void
request_refuse (struct request *request,
                enum refusal why)
{
  if (REFUSALS == request->refusal)
    request->refusal = why;
  free (request->body.at);
  request->body = (struct buffer) { 0 };
}


/* 0.9.72 knows no other version than 1.0 and 1.1, and later ones take all that
   follow for the latter (RFC 9110, 2.5).  It is libmicrohttpd's own memory, which
   Python's text is a copy of. */
static void
request_take_for_1_1 (const char *version)
{
  if ('1' < version[7])
    ((char *) (uintptr_t) version)[7] = '1';
}


/* Where libmicrohttpd takes no response, as in the middle of a body, or says it
   badly. */
static enum MHD_Result
request_refuse_now (struct request *request,
                    struct MHD_Connection *connection,
                    const char *status)
{
  (void) early_say (request, connection, status);
  return MHD_NO;
}


static enum MHD_Result
request_await_body (struct request *request,
                    struct MHD_Connection *connection)
{
  if (request->in_chunks)
    early_begin (request, connection);
  return client_enters (request->requests->server, request->client, BODY)
         ? MHD_YES : MHD_NO;
}


/* The first call: nothing of the body has been read.  A head that breaks a rule is
   answered at once: where its body ends nobody can tell. */
static enum MHD_Result
request_receive_head (struct request *request,
                      struct MHD_Connection *connection,
                      const char *method,
                      const char *version)
{
  struct requests *const requests = request->requests;
  struct head head;
  enum refusal why;

  response_drain ();
  early_end (request);
  request_enter (request, RECEIVING);
  atomic_fetch_add (&requests->server->counts.requests, 1);
  if (FAILED == request->refusal)
    return request_reply (request, connection);         /* there is no target */
  why = head_read (&head, request, connection, method, version);
  /* 0.9.72 would send the response without its header, or without its length. */
  if (0 == head.version.size)
    return request_refuse_now (request, connection, "400 Bad Request");
  if ( (NOT_IMPLEMENTED == why) &&
       (layout_is_known ()) )
    return request_refuse_now (request, connection, "501 Not Implemented");
  if ( (REFUSALS != why) && (FAILED != why) )
  {
    request_refuse (request, why);
    request->client->lingers = true;
    return request_reply (request, connection);
  }
  request_take_for_1_1 (version);
  if (atomic_load (&requests->server->life.refusing))
    request_refuse (request, UNAVAILABLE);
  if (REFUSALS != why)
    request_refuse (request, why);
  request->length = head.length;
  request->in_chunks = 0 != head.codings;
  request->body_at = head.layout.body;
  if (head.length > requests->server->config.body_limit)
    request_refuse (request, TOO_LARGE);
  /* Nobody has to send a body that nobody will read. */
  if ( (0 != head.length) ||
       (0 != head.codings) )
  {
    if (REFUSALS == request->refusal)
      return request_await_body (request, connection);
    request->client->lingers = true;
    return request_reply (request, connection);
  }
  return MHD_YES;
}


/* Whether the header has ended where head.c thinks.  In front of a body in chunks
   there is a line, which cannot begin with a NUL. */
static bool
request_begins_in_place (const struct request *request,
                         const char *data)
{
  if (NULL == request->body_at)
    return true;
  return request->in_chunks ? '\0' != *request->body_at : request->body_at == data;
}


/* Room for all that the client has announced, at once: most bodies are as long
   as it says. */
static bool
request_add_to_body (struct request *request,
                     const char *data,
                     size_t size)
{
  if ( (0 == request->body.room) &&
       (! buffer_reserve (&request->body, (size_t) request->length)) )
    return false;
  return buffer_add (&request->body, data, size);
}


static enum MHD_Result
request_receive_body (struct request *request,
                      struct MHD_Connection *connection,
                      const char *data,
                      size_t *size)
{
  if (! request_begins_in_place (request, data))
    return request_refuse_now (request, connection, "400 Bad Request");
  request->body_at = NULL;
  if (*size > request->requests->server->config.body_limit - request->body.size)
    return request_refuse_now (request, connection, "413 Content Too Large");
  if (! request_add_to_body (request, data, *size))
    return request_refuse_now (request, connection, "500 Internal Server Error");
  atomic_store_explicit (&request->client->received, request->body.size,
                         memory_order_relaxed);
  *size = 0;
  return MHD_YES;
}


/* False if memory is short. */
static bool
request_give_token (struct request *request)
{
  struct requests *const requests = request->requests;

  request->token = config_calls_back (&requests->server->config)
                   ? atomic_fetch_add (&requests->next_token, 1) + 1
                   : slots_add (&requests->asked, request);
  return 0 != request->token;
}


/* The whole request is here.  libmicrohttpd's own threads: Python runs inside.
   The pump: Python reads of it in the batch.  Returns REFUSALS, or how to
   answer without Python. */
static enum refusal
request_ask (struct request *request)
{
  struct requests *const requests = request->requests;
  struct batch *const batch = &requests->server->batch;
  const struct buffer *const head = &request->head;
  struct pymhd_event event = {
    .kind = PYMHD_EVENT_REQUEST,
    .text_end = (int64_t) head->size,   /* unless it goes into the batch */
    .body = (int64_t) (intptr_t) request->body.at,
    .body_size = (int64_t) request->body.size,
  };
  size_t before;

  if (! request_give_token (request))
    return FAILED;
  event.request = request->token;
  request_enter (request, ASKED);
  if (config_calls_back (&requests->server->config))
  {
    request->shared = pymhd_on_request (requests->server->config.owner, &event,
                                        head->at);
    life_go_on (&requests->server->life);
    return NULL == request->shared ? FAILED : REFUSALS;
  }
  before = batch->text.size;
  if (PYMHD_ALONG >= request->body.size)
    event.body = 0;
  if ( (buffer_add (&batch->text, head->at, head->size)) &&
       ( (0 != event.body) ||
         (buffer_add (&batch->text, request->body.at, request->body.size)) ) &&
       (batch_add (batch, &event)) )
    return REFUSALS;
  batch->text.size = before;
  return FAILED;
}


/* MHD_AccessHandlerCallback; no lock of libmicrohttpd's. */
enum MHD_Result
request_access (void *cls,
                struct MHD_Connection *connection,
                const char *url,
                const char *method,
                const char *version,
                const char *upload_data,
                size_t *upload_data_size,
                void **req_cls)
{
  struct request *const request = *req_cls;
  enum refusal why;

  (void) cls;
  (void) url;
  if (NULL == request)
    return MHD_NO;              /* there was no memory for it */
  if (! config_calls_back (&request->requests->server->config))
    runs_succeed (&request->requests->server->runs);
  if (BEGUN == request->phase)
    return request_receive_head (request, connection, method, version);
  if (0 != *upload_data_size)
    return request_receive_body (request, connection, upload_data, upload_data_size);
  if ( (RECEIVING == request->phase) &&
       (! client_enters (request->requests->server, request->client, OURS)) )
    return MHD_NO;
  if ( (RECEIVING == request->phase) &&
       (REFUSALS == request->refusal) )
  {
    early_end (request);
    why = request->in_chunks ? head_read_trailer (connection) : REFUSALS;
    if (REFUSALS == why)
      why = request_ask (request);
    if (REFUSALS != why)
      request_refuse (request, why);
  }
  return request_reply (request, connection);
}
