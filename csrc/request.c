/* SPDX-License-Identifier: MIT
 *
 * A request from its first line to its completion: libmicrohttpd's callbacks.
 *
 * All of them run on the driver's thread.  With the pump, none enters Python:
 * the access handler gathers the body, puts one event into the batch and goes
 * on returning MHD_YES without a response until the answer is there, for which
 * libmicrohttpd calls it again.  On libmicrohttpd's own threads it calls
 * pymhd_on_request() and has the answer at once.
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* How much of a body that is too large is read and thrown away, so that the
   client, which sends first and listens then, hears the 413. */
#define discard_LIMIT (UINT64_C (64) << 20)

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
  struct text body;
  uint64_t discarded;
  const char *received_at;      /* the target, in libmicrohttpd's buffer */
  struct request *next;         /* of the daemon's gone */
  char target[];
};


/* MHD_OPTION_URI_LOG_CALLBACK; no lock of libmicrohttpd's.  The raw target is
   seen only here: what the access handler gets is decoded and cut. */
void *
request_begin (void *cls,
               const char *uri,
               struct MHD_Connection *connection)
{
  struct pymhd_daemon *const daemon = cls;
  const char *const target = NULL == uri ? "" : uri;
  const size_t size = strlen (target) + 1;
  struct request *request = malloc (sizeof (*request) + size);

  (void) connection;
  if (NULL == request)
    return NULL;
  *request = (struct request) {
    .daemon = daemon,
    .refusal = REFUSALS,
    .received_at = uri,
  };
  memcpy (request->target, target, size);
  return request;
}


/* The request has been answered, or never will be. */
static void
end (struct request *request)
{
  struct pymhd_daemon *const daemon = request->daemon;

  if (ENDED == request->phase)
    return;
  if (BEGUN != request->phase)
    atomic_fetch_sub (&daemon->requests, 1);
  request->phase = ENDED;
  if (! daemon->calls_back)
    slots_remove (&daemon->asked, request->token);
}


/* The same, and nobody looks at its body any more. */
static void
discard (struct request *request)
{
  end (request);
  free (request->body.at);
  request->body = (struct text) { 0 };
}


/* Tells Python that the upgrade will not come that it may have answered with. */
static void
abandon (struct request *request)
{
  struct pymhd_daemon *const daemon = request->daemon;

  if (daemon->calls_back)
    pymhd_on_abandoned (daemon->owner, request->token);
  else
  {
    const struct pymhd_event event = {
      .kind = PYMHD_EVENT_ABANDONED,
      .request = request->token,
    };

    (void) pump_add (daemon, &event);
  }
}


/* MHD_OPTION_NOTIFY_COMPLETED.  After an upgrade libmicrohttpd holds its
   connection mutex here (not in the mode "per-connection"): then only memory
   is freed. */
void
request_completed (void *cls,
                   struct MHD_Connection *connection,
                   void **req_cls,
                   enum MHD_RequestTerminationCode toe)
{
  struct request *const request = *req_cls;

  (void) cls;
  (void) connection;
  (void) toe;
  if (NULL == request)
    return;
  *req_cls = NULL;
  if ( (ASKED == request->phase) ||
       ( (ANSWERED == request->phase) &&
         (NULL != request->shared) &&
         (response_upgrades (request->shared)) ) )
    abandon (request);
  pymhd_response_unref (request->shared);
  if (NULL != request->once)
    MHD_destroy_response (request->once);
  if ( (ASKED == request->phase) &&
       (! request->daemon->calls_back) )
  {
    /* Python may not have read its event yet, which points to the body. */
    request->next = request->daemon->gone;
    request->daemon->gone = request;
    end (request);
    return;
  }
  discard (request);
  free (request);
}


void
requests_free_gone (struct pymhd_daemon *daemon)
{
  struct request *request;

  while (NULL != (request = daemon->gone))
  {
    daemon->gone = request->next;
    discard (request);
    free (request);
  }
}


static void
refuse (struct request *request,
        enum refusal why)
{
  if (REFUSALS == request->refusal)
    request->refusal = why;
  free (request->body.at);
  request->body = (struct text) { 0 };
}


static enum MHD_Result
queue_refusal (struct request *request,
               struct MHD_Connection *connection)
{
  struct pymhd_response *const refusal
    = request->daemon->refusal[request->refusal];

  request->phase = ANSWERED;
  return response_queue (refusal, connection);
}


/* The first call: nothing of the body has been read. */
static enum MHD_Result
receive_head (struct request *request,
              struct MHD_Connection *connection,
              const char *version)
{
  struct pymhd_daemon *const daemon = request->daemon;

  response_drain ();
  request->phase = RECEIVING;
  atomic_fetch_add (&daemon->requests, 1);
  if (atomic_load (&daemon->refusing))
    refuse (request, UNAVAILABLE);
  else if ( (! head_is_http_1 (version)) ||
            (head_hides_nul (request->target, request->received_at, version)) ||
            (head_has_control (request->target)) )
    refuse (request, BAD_REQUEST);
  else if (head_content_length (connection) > daemon->body_limit)
    refuse (request, TOO_LARGE);
  if (head_has_unknown_coding (connection, version))
  {
    refuse (request, BAD_REQUEST);
    return queue_refusal (request, connection);
  }
  /* A client that asks before it sends is answered before it sends. */
  if ( (REFUSALS != request->refusal) &&
       (head_expects_continue (connection)) )
    return queue_refusal (request, connection);
  return MHD_YES;
}


static enum MHD_Result
receive_body (struct request *request,
              const char *data,
              size_t *size)
{
  if ( (REFUSALS == request->refusal) &&
       (*size > request->daemon->body_limit - request->body.size) )
    refuse (request, TOO_LARGE);
  if ( (REFUSALS == request->refusal) &&
       (! text_add (&request->body, data, *size)) )
    refuse (request, FAILED);
  if (REFUSALS != request->refusal)
  {
    request->discarded += *size;
    if (discard_LIMIT < request->discarded)
      return MHD_NO;
  }
  *size = 0;
  return MHD_YES;
}


/* False if memory is short. */
static bool
give_token (struct request *request)
{
  struct pymhd_daemon *const daemon = request->daemon;

  request->token = daemon->calls_back
                   ? atomic_fetch_add (&daemon->next_token, 1) + 1
                   : slots_add (&daemon->asked, request);
  return 0 != request->token;
}


/* libmicrohttpd's own threads: Python runs inside.  The pump: Python reads of it in
   the batch.  Returns REFUSALS, or how to answer without Python. */
static enum refusal
hand_over (struct request *request,
           struct pymhd_event *event,
           const struct text *text)
{
  struct pymhd_daemon *const daemon = request->daemon;

  if (! give_token (request))
    return FAILED;
  event->request = request->token;
  event->text_size = (int64_t) text->size - event->text_at;
  event->body = (int64_t) (intptr_t) request->body.at;
  event->body_size = (int64_t) request->body.size;
  request->phase = ASKED;
  if (! daemon->calls_back)
    return pump_add (daemon, event) ? REFUSALS : FAILED;
  request->shared = pymhd_on_request (daemon->owner, event, text->at);
  daemon_called_back (daemon);
  return NULL == request->shared ? FAILED : REFUSALS;
}


/* The whole request is here. */
static void
ask (struct request *request,
     struct MHD_Connection *connection,
     const char *method,
     const char *version)
{
  struct pymhd_daemon *const daemon = request->daemon;
  struct text own = { 0 };
  struct text *const text = daemon->calls_back ? &own : &daemon->text;
  struct pymhd_event event = {
    .kind = PYMHD_EVENT_REQUEST,
    .text_at = (int64_t) text->size,
  };
  enum refusal why;

  why = head_write (text, connection, method, request->target, version);
  if (REFUSALS == why)
    why = hand_over (request, &event, text);
  if (REFUSALS != why)
  {
    text->size = (size_t) event.text_at;
    refuse (request, why);
  }
  free (own.at);
}


static bool
has_answer (const struct request *request)
{
  return (NULL != request->shared) ||
         (NULL != request->once);
}


static enum MHD_Result
queue_answer (struct request *request,
              struct MHD_Connection *connection)
{
  enum MHD_Result result;

  if (NULL != request->shared)
    return response_queue (request->shared, connection);
  result = MHD_queue_response (connection, request->once_status, request->once);
  MHD_destroy_response (request->once);
  request->once = NULL;
  return result;
}


static enum MHD_Result
answer (struct request *request,
        struct MHD_Connection *connection)
{
  if (REFUSALS != request->refusal)
    return queue_refusal (request, connection);
  if (! has_answer (request))
    return MHD_YES;             /* Python is at it: we are called again */
  request->phase = ANSWERED;
  if (MHD_YES == queue_answer (request, connection))
    return MHD_YES;
  log_line ("libmicrohttpd did not take the response to a request; "
            "the connection is closed");
  return MHD_NO;
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

  (void) cls;
  (void) url;
  if (NULL == request)
    return MHD_NO;              /* there was no memory for it */
  if (! request->daemon->calls_back)
    request->daemon->in_vain = 0;
  if (BEGUN == request->phase)
    return receive_head (request, connection, version);
  if (0 != *upload_data_size)
    return receive_body (request, upload_data, upload_data_size);
  if ( (RECEIVING == request->phase) &&
       (REFUSALS == request->refusal) )
    ask (request, connection, method, version);
  return answer (request, connection);
}


/* The pump's thread, outside libmicrohttpd. */
void
request_answer (struct pymhd_daemon *daemon,
                const struct pymhd_answer *answer,
                const char *bytes)
{
  struct request *const request = slots_get (&daemon->asked, answer->request);

  if ( (NULL == request) ||
       (has_answer (request)) )
    return;
  if (0 != answer->shared)
  {
    request->shared = (struct pymhd_response *) (intptr_t) answer->shared;
    pymhd_response_ref (request->shared);
    return;
  }
  request->once_status = answer->status;
  request->once = response_once (bytes,
                                 answer->body_size,
                                 bytes + answer->body_size,
                                 answer->fields_size);
  if (NULL != request->once)
    return;
  log_line ("libmicrohttpd did not make the response to a request; "
            "it is answered 500");
  refuse (request, FAILED);
}


/* The driver, inside the upgrade handler. */
struct pymhd_daemon *
request_of_upgrade (void *req_cls,
                    int64_t *token)
{
  const struct request *const request = req_cls;

  *token = request->token;
  return request->daemon;
}


/* The same, after the session has been counted: stop() sees one or the other. */
void
request_upgraded (void *req_cls)
{
  discard (req_cls);
}
