/* SPDX-License-Identifier: MIT
 *
 * Preloaded by tests/daemon/test_short_memory.py: an allocator that fails when told
 * to, and only for calls that come from one library.
 */
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* glibc's allocator under its other names. */
extern void *__libc_malloc (size_t size);
extern void *__libc_calloc (size_t count, size_t size);
extern void *__libc_realloc (void *at, size_t size);

void fail_from (uintptr_t begin, uintptr_t end, long first, long last);
long fail_no_more (void);

static atomic_uintptr_t library_begin;
static atomic_uintptr_t library_end;
static atomic_long calls;
static atomic_long first_to_fail;
static atomic_long last_to_fail;


/* Of the calls from between two addresses, those from the first to the last,
   counted from 1, are to fail. */
void
fail_from (uintptr_t begin,
           uintptr_t end,
           long first,
           long last)
{
  atomic_store (&library_end, 0);
  atomic_store (&calls, 0);
  atomic_store (&first_to_fail, first);
  atomic_store (&last_to_fail, last);
  atomic_store (&library_begin, begin);
  atomic_store (&library_end, end);
}


/* None is to fail any more.  How many calls there were. */
long
fail_no_more (void)
{
  atomic_store (&library_end, 0);
  return atomic_load (&calls);
}


static int
fails (const void *caller)
{
  long number;

  if ( ((uintptr_t) caller >= atomic_load (&library_end)) ||
       ((uintptr_t) caller < atomic_load (&library_begin)) )
    return 0;
  number = atomic_fetch_add (&calls, 1) + 1;
  return (atomic_load (&first_to_fail) <= number) &&
         (number <= atomic_load (&last_to_fail));
}


void *
malloc (size_t size)
{
  if (fails (__builtin_return_address (0)))
    return NULL;
  return __libc_malloc (size);
}


void *
calloc (size_t count,
        size_t size)
{
  if (fails (__builtin_return_address (0)))
    return NULL;
  return __libc_calloc (count, size);
}


void *
realloc (void *at,
         size_t size)
{
  if (fails (__builtin_return_address (0)))
    return NULL;
  return __libc_realloc (at, size);
}
