/* SPDX-License-Identifier: MIT
 *
 * Log lines, from any thread and under any of libmicrohttpd's locks: into a
 * bounded ring, without Python.  pymhd/_native/logs.py takes them out.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "api/log.h"

#define LINES 256

/* A leaf: under it nothing is called but memcpy. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t news = PTHREAD_COND_INITIALIZER;
static char ring[LINES][LOG_LINE_SIZE];
static unsigned int first;
static unsigned int count;
static uint64_t dropped;
static bool woken;


static void
log_put (const char *line)
{
  (void) pthread_mutex_lock (&lock);
  if (LINES == count)
    dropped++;
  else
    memcpy (ring[(first + count++) % LINES], line, LOG_LINE_SIZE);
  (void) pthread_cond_signal (&news);
  (void) pthread_mutex_unlock (&lock);
}


static void
log_format (char *line,
            int room,
            const char *format,
            va_list arguments)
{
  int size;

  memset (line, 0, (size_t) room);
  size = vsnprintf (line, (size_t) room, format, arguments);
  if (size >= room)
    size = room - 1;
  while ( (0 < size) && ('\n' == line[size - 1]) )
    line[--size] = '\0';
}


void
log_add (char line[LOG_LINE_SIZE],
         const char *whose,
         const char *format,
         va_list arguments)
{
  const int size = snprintf (line, LOG_LINE_SIZE, "%s", whose);

  log_format (line + size, LOG_LINE_SIZE - size, format, arguments);
  log_put (line);
}


/* Any thread. */
void
log_at (char level,
        const char *format,
        ...)
{
  const char whose[] = { level, '\0' };
  char line[LOG_LINE_SIZE];
  va_list arguments;

  va_start (arguments, format);
  log_add (line, whose, format, arguments);
  va_end (arguments);
}


/* Takes the oldest line; its length, -1 if there is none.  Any thread. */
int
pymhd_log_next (char *line,
                size_t size)
{
  int length = -1;

  (void) pthread_mutex_lock (&lock);
  if (0 != count)
  {
    (void) snprintf (line, size, "%s", ring[first]);
    length = (int) strlen (line);
    first = (first + 1) % LINES;
    count--;
  }
  (void) pthread_mutex_unlock (&lock);
  return length;
}


/* Waits until there is a line or pymhd_log_wake() was called.  One Python
   thread; cffi has released the GIL. */
void
pymhd_log_wait (void)
{
  (void) pthread_mutex_lock (&lock);
  while ( (0 == count) &&
          (! woken) )
    (void) pthread_cond_wait (&news, &lock);
  woken = false;
  (void) pthread_mutex_unlock (&lock);
}


/* Any thread, and inside finalizers. */
void
pymhd_log_wake (void)
{
  (void) pthread_mutex_lock (&lock);
  woken = true;
  (void) pthread_cond_signal (&news);
  (void) pthread_mutex_unlock (&lock);
}


/* How many lines found the ring full since the last call.  Any thread. */
uint64_t
pymhd_log_dropped (void)
{
  uint64_t lost;

  (void) pthread_mutex_lock (&lock);
  lost = dropped;
  dropped = 0;
  (void) pthread_mutex_unlock (&lock);
  return lost;
}


/* A fork's child: the lines are the parent's to log. */
void
log_forked (void)
{
  (void) pthread_mutex_init (&lock, NULL);
  (void) pthread_cond_init (&news, NULL);
  first = count = 0;
  dropped = 0;
  woken = false;
}
