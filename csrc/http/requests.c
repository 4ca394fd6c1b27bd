/* SPDX-License-Identifier: MIT
 *
 * Requests of a driver, from their making to their end.
 *
 * All of it runs on the driver's thread.  A pump uses requests again, with the
 * memory of their heads: for the most part they are alike.
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "api/response.h"
#include "base/buffer.h"
#include "base/slots.h"
#include "http/early.h"
#include "http/request.h"
#include "http/response.h"
#include "http/response_cache.h"
#include "mhd/client_state.h"
#include "mhd/config.h"
#include "mhd/server.h"

/* Requests that a pump keeps for the next ones, and how much memory of each. */
#define SPARE 128
#define SPARE_HEAD 2048


struct request *
request_make (struct requests *requests)
{
  struct request *request = requests->spare;
  struct buffer head = { 0 };

  if (NULL == request)
    request = malloc (sizeof (*request));
  else
  {
    requests->spare = request->next;
    requests->spares--;
    head = request->head;
  }
  if (NULL == request)
    return NULL;
  *request = (struct request) {
    .requests = requests,
    .refusal = REFUSALS,
    .head = head,
  };
  return request;
}


static void
request_free_body (struct request *request)
{
  free (request->body.at);
  request->body = (struct buffer) { 0 };
}


/* Nobody knows the request any more. */
void
request_unmake (struct request *request)
{
  struct requests *const requests = request->requests;

  request_free_body (request);
  /* libmicrohttpd's own threads would need a lock. */
  if ( (config_calls_back (&requests->server->config)) ||
       (SPARE == requests->spares) ||
       (SPARE_HEAD < request->head.room) )
  {
    free (request->head.at);
    free (request);
    return;
  }
  request->head.size = 0;
  request->next = requests->spare;
  requests->spare = request;
  requests->spares++;
}


/* The request has been answered, or never will be. */
void
request_end (struct request *request)
{
  struct requests *const requests = request->requests;

  early_end (request);
  if (ENDED == request->phase)
    return;
  if (BEGUN != request->phase)
    atomic_fetch_sub (&requests->server->counts.requests, 1);
  request_enter (request, ENDED);
  if (! config_calls_back (&requests->server->config))
    slots_remove (&requests->asked, request->token);
}


void
requests_free_gone (struct requests *requests)
{
  struct request *request;

  while (NULL != (request = requests->gone))
  {
    requests->gone = request->next;
    request_unmake (request);
  }
}


bool
requests_open (struct requests *requests)
{
  int which;

  for (which = 0; which < REFUSALS; which++)
  {
    requests->refusal[which] = response_canned ((enum refusal) which);
    if (NULL == requests->refusal[which])
      return false;
  }
  return true;
}


void
requests_free (struct requests *requests)
{
  struct request *request;
  int which;

  requests_free_gone (requests);
  while (NULL != (request = requests->spare))
  {
    requests->spare = request->next;
    free (request->head.at);
    free (request);
  }
  requests->spares = 0;
  for (which = 0; which < REFUSALS; which++)
  {
    pymhd_response_unref (requests->refusal[which]);
    requests->refusal[which] = NULL;
  }
  response_cache_free (requests);
  slots_clear (&requests->asked);
}


/* The driver, inside the upgrade handler. */
struct requests *
request_of_upgrade (void *req_cls,
                    int64_t *token)
{
  const struct request *const request = req_cls;

  *token = request->token;
  return request->requests;
}


/* The driver, inside the upgrade handler, after the session has been counted, so that
   stop() sees the request or the session at any time.  The session has the request's
   place from now on. */
void
request_upgraded (void *req_cls,
                  bool has_session)
{
  struct request *const request = req_cls;

  if (! has_session)
    request_leave_place (request);
  request->has_place = false;

  request_end (request);
  /* Its end is the session's, and comes under a lock of libmicrohttpd's. */
  request->client->request = NULL;
  request->client = NULL;
  request_free_body (request);
  free (request->head.at);
  request->head = (struct buffer) { 0 };
}
