/* SPDX-License-Identifier: MIT
 *
 * Bodies that Python lends: large ones are sent from Python's own memory.
 *
 * libmicrohttpd gives a body back when its last connection has sent it, at
 * places where Python must not run.  So that is only noted here, and Python
 * asks.  Each body has a note from the beginning: giving back needs no memory.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "http/zero_copy.h"
#include "api/file.h"
#include "api/zero_copy.h"

struct note
{
  struct note *next;
  const void *body;
};

/* A list; atomic so that a fork always finds it whole. */
typedef _Atomic (struct note *) notes;

/* A leaf: guards the lists. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static notes blank;             /* one for each body that is lent */
static notes returned;
static atomic_bool any_returned;


static void
zero_copy_push (notes *list,
                struct note *note)
{
  note->next = atomic_load (list);
  atomic_store (list, note);
}


static struct note *
zero_copy_pop (notes *list)
{
  struct note *const note = atomic_load (list);

  if (NULL != note)
    atomic_store (list, note->next);
  return note;
}


/* MHD_ContentReaderFreeCallback: the thread that drops a response's last
   reference, no lock of libmicrohttpd's.  CLS: the body. */
static void
zero_copy_give_back (void *cls)
{
  struct note *note;

  (void) pthread_mutex_lock (&lock);
  note = zero_copy_pop (&blank);
  if (NULL != note)
  {
    note->body = cls;
    zero_copy_push (&returned, note);
  }
  (void) pthread_mutex_unlock (&lock);
  atomic_store (&any_returned, true);
}


struct MHD_Response *
zero_copy_response (const char *body,
                    size_t size)
{
  struct MHD_Response *const response
    = MHD_create_response_from_buffer_with_free_callback (
        size, (void *) (uintptr_t) body, &zero_copy_give_back);

  if (NULL == response)
    zero_copy_give_back ((void *) (uintptr_t) body);
  return response;
}


#if MHD_VERSION >= 0x00097400
/* Ours are the ones of libmicrohttpd, but for the names. */
_Static_assert (sizeof (struct pymhd_piece) == sizeof (struct MHD_IoVec), "as large");
_Static_assert (offsetof (struct pymhd_piece, size)
                == offsetof (struct MHD_IoVec, iov_len), "in the same order");

static struct MHD_Response *
zero_copy_make (const struct pymhd_piece *pieces,
                unsigned int count)
{
  return MHD_create_response_from_iovec ((const void *) pieces, count,
                                         &zero_copy_give_back,
                                         (void *) (uintptr_t) pieces);
}


#else
static struct MHD_Response *
zero_copy_make (const struct pymhd_piece *pieces,
                unsigned int count)
{
  struct MHD_Response *response;
  char *joined;
  size_t size = 0;
  size_t at = 0;
  unsigned int i;

  for (i = 0; i < count; i++)
    size += pieces[i].size;
  joined = malloc (size + 1);
  if (NULL == joined)
    return NULL;
  for (i = 0; i < count; at += pieces[i++].size)
    memcpy (joined + at, pieces[i].at, pieces[i].size);
  response = MHD_create_response_from_buffer (size, joined, MHD_RESPMEM_MUST_FREE);
  if (NULL == response)
    free (joined);
  else
    zero_copy_give_back ((void *) (uintptr_t) pieces);
  return response;
}


#endif
struct MHD_Response *
zero_copy_pieces (const struct pymhd_piece *pieces,
                  unsigned int count)
{
  struct MHD_Response *const response = zero_copy_make (pieces, count);

  if (NULL == response)
    zero_copy_give_back ((void *) (uintptr_t) pieces);
  return response;
}


bool
zero_copy_is_returned (void)
{
  return atomic_load (&any_returned);
}


/* Any thread; no Python inside.  Announces one body: it is the caller's to keep until
   pymhd_zero_copy_take() returns its address, whatever becomes of its response.  0,
   and nothing is lent, if memory is short. */
int
pymhd_zero_copy_lend (void)
{
  struct note *const note = malloc (sizeof (*note));

  if (NULL == note)
    return 0;
  (void) pthread_mutex_lock (&lock);
  zero_copy_push (&blank, note);
  (void) pthread_mutex_unlock (&lock);
  return 1;
}


/* Any thread; no Python inside.  The address of a body that has been given back;
   0: there is none. */
int64_t
pymhd_zero_copy_take (void)
{
  struct note *note;
  int64_t body = 0;

  if (! atomic_exchange (&any_returned, false))
    return 0;
  (void) pthread_mutex_lock (&lock);
  note = zero_copy_pop (&returned);
  if (NULL != atomic_load (&returned))
    atomic_store (&any_returned, true);
  (void) pthread_mutex_unlock (&lock);
  if (NULL != note)
    body = (int64_t) (intptr_t) note->body;
  free (note);
  return body;
}


/* A fork's child, in which another thread of the parent's may have had the lock.  The
   parent's bodies are the child's, too, and so are their notes. */
void
zero_copy_forked (void)
{
  (void) pthread_mutex_init (&lock, NULL);
}
