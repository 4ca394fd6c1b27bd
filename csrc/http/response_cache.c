/* SPDX-License-Identifier: MIT
 *
 * Answers that come again.
 *
 * Most programs answer most requests with the same few responses, each made
 * anew by a handler.  What has come twice, byte for byte, is kept as one
 * response, so that from then on nothing is allocated or copied for it.  An
 * answer has one place, by its digest, and who comes later takes it over.
 *
 * The pump's thread, outside libmicrohttpd.
 */
#include <stdlib.h>
#include <string.h>

#include "http/response_cache.h"
#include "api/batch.h"
#include "api/response.h"
#include "http/request.h"

#define PLACES 64
/* The most that is kept of an answer, and how much of it the digest looks at. */
#define KEPT_SIZE 4096
#define DIGESTED ((size_t) 256)

struct repeat
{
  uint64_t digest;              /* of the answer that came last */
  struct pymhd_response *response;      /* NULL: it came once */
  char *bytes;                  /* body and fields, as they came */
  uint32_t status;
  uint32_t body_size;
  uint32_t fields_size;
};


static uint64_t
cache_mix (uint64_t digest,
           const char *at,
           size_t size)
{
  uint64_t word = 0;

  memcpy (&word, at, size);
  digest = (digest ^ word) * UINT64_C (0x9e3779b97f4a7c15);
  return digest ^ digest >> 32;
}


/* Never 0, which no answer has had.  Of a long one it looks at words that are
   spread over all of it: others may have the same digest. */
static uint64_t
cache_digest_of (const struct pymhd_answer *answer,
                 const char *bytes)
{
  const size_t size = (size_t) answer->body_size + answer->fields_size;
  const size_t step = sizeof (uint64_t) * (1 + size / DIGESTED);
  uint64_t digest = (uint64_t) answer->status << 32 ^ answer->body_size;
  size_t at;

  for (at = 0; at + sizeof (uint64_t) <= size; at += step)
    digest = cache_mix (digest, bytes + at, sizeof (uint64_t));
  if (at < size)
    digest = cache_mix (digest, bytes + at, size - at);
  return digest | 1;
}


static bool
cache_is_the_same (const struct repeat *repeat,
                   const struct pymhd_answer *answer,
                   const char *bytes)
{
  return (repeat->status == answer->status) &&
         (repeat->body_size == answer->body_size) &&
         (repeat->fields_size == answer->fields_size) &&
         (0 == memcmp (repeat->bytes, bytes,
                       (size_t) answer->body_size + answer->fields_size));
}


static void
cache_forget (struct repeat *repeat)
{
  pymhd_response_unref (repeat->response);
  free (repeat->bytes);
  *repeat = (struct repeat) { 0 };
}


/* Where memory is short the answer is sent as one that came once. */
static void
cache_keep (struct repeat *repeat,
            const struct pymhd_answer *answer,
            const char *bytes)
{
  const size_t size = (size_t) answer->body_size + answer->fields_size;

  repeat->bytes = malloc (size + 1);
  if (NULL == repeat->bytes)
    return;
  memcpy (repeat->bytes, bytes, size);
  repeat->status = answer->status;
  repeat->body_size = answer->body_size;
  repeat->fields_size = answer->fields_size;
  repeat->response = pymhd_response_new (answer->status,
                                         bytes,
                                         answer->body_size,
                                         bytes + answer->body_size,
                                         answer->fields_size);
}


struct pymhd_response *
response_cache_find (struct requests *requests,
                     const struct pymhd_answer *answer,
                     const char *bytes)
{
  struct repeat *repeat;
  uint64_t digest;

  if (KEPT_SIZE < (size_t) answer->body_size + answer->fields_size)
    return NULL;
  if (NULL == requests->repeats)
    requests->repeats = calloc (PLACES, sizeof (*requests->repeats));
  if (NULL == requests->repeats)
    return NULL;
  digest = cache_digest_of (answer, bytes);
  repeat = &requests->repeats[digest >> 1 & (PLACES - 1)];
  if ( (digest == repeat->digest) &&
       (NULL != repeat->response) &&
       (cache_is_the_same (repeat, answer, bytes)) )
    return repeat->response;
  if (digest != repeat->digest)
  {
    cache_forget (repeat);
    repeat->digest = digest;
    return NULL;
  }
  cache_forget (repeat);
  repeat->digest = digest;
  cache_keep (repeat, answer, bytes);
  return repeat->response;
}


void
response_cache_free (struct requests *requests)
{
  size_t i;

  if (NULL == requests->repeats)
    return;
  for (i = 0; i < PLACES; i++)
    cache_forget (&requests->repeats[i]);
  free (requests->repeats);
  requests->repeats = NULL;
}
