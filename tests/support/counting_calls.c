/* SPDX-License-Identifier: MIT
 *
 * Preloaded by tests/request/test_crowds.py: counts the system calls that ask about a
 * connection or change it.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

long calls_so_far (void);
int ioctl (int fd, unsigned long request, ...);

static atomic_long calls;


long
calls_so_far (void)
{
  return atomic_load (&calls);
}


int
ioctl (int fd,
       unsigned long request,
       ...)
{
  va_list arguments;
  void *argument;

  va_start (arguments, request);
  argument = va_arg (arguments, void *);
  va_end (arguments);
  atomic_fetch_add (&calls, 1);
  return (int) syscall (SYS_ioctl, fd, request, argument);
}


ssize_t
recv (int fd,
      void *data,
      size_t size,
      int flags)
{
  atomic_fetch_add (&calls, 1);
  return syscall (SYS_recvfrom, fd, data, size, flags, NULL, NULL);
}


ssize_t
send (int fd,
      const void *data,
      size_t size,
      int flags)
{
  atomic_fetch_add (&calls, 1);
  return syscall (SYS_sendto, fd, data, size, flags, NULL, 0);
}


int
shutdown (int fd,
          int how)
{
  atomic_fetch_add (&calls, 1);
  return (int) syscall (SYS_shutdown, fd, how);
}


int
getsockopt (int fd,
            int level,
            int name,
            void *restrict value,
            socklen_t *restrict size)
{
  atomic_fetch_add (&calls, 1);
  return (int) syscall (SYS_getsockopt, fd, level, name, value, size);
}
