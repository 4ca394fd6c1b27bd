/* SPDX-License-Identifier: MIT
 *
 * To be preloaded: tells whether two threads are in csrc's send() at once, which
 * takes its time here so that they meet.  csrc's has these flags; others pass.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>

static atomic_int inside;
static atomic_int sends;
static atomic_int met;


/* Any thread: how often csrc has sent, and how often while another thread did. */
void
count_sends (int counts[2])
{
  counts[0] = atomic_load (&sends);
  counts[1] = atomic_load (&met);
}


ssize_t
send (int sock,
      const void *bytes,
      size_t size,
      int flags)
{
  const struct timespec moment = { .tv_nsec = 500000 };
  ssize_t (*next) (int, const void *, size_t, int);
  ssize_t sent;

  *(void **) &next = dlsym (RTLD_NEXT, "send");         /* as dlopen(3) has it */
  if ((MSG_DONTWAIT | MSG_NOSIGNAL) != flags)
    return next (sock, bytes, size, flags);
  (void) atomic_fetch_add (&sends, 1);
  if (0 != atomic_fetch_add (&inside, 1))
    (void) atomic_fetch_add (&met, 1);
  (void) nanosleep (&moment, NULL);
  sent = next (sock, bytes, size, flags);
  (void) atomic_fetch_sub (&inside, 1);
  return sent;
}
