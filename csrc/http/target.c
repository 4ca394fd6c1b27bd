/* SPDX-License-Identifier: MIT
 *
 * The forms of a request's target, and the host and port in it or in Host.
 *
 * Pure functions of bytes: any thread, Python does not run, nothing is kept.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include "http/head.h"

#define MAX_PORT 65535


static bool
target_is_alnum (char c)
{
  return ( ('0' <= c) && (c <= '9') ) ||
         ( ('a' <= (c | ' ')) && ((c | ' ') <= 'z') );
}


static int
target_hex_digit (char c)
{
  if ( ('0' <= c) && (c <= '9') )
    return c - '0';
  c |= ' ';
  return ('a' <= c) && (c <= 'f') ? c - 'a' + 10 : -1;
}


/* *DIGIT, and a port that there is. */
static bool
target_is_port (struct span port)
{
  unsigned int number = 0;
  size_t i;

  for (i = 0; i < port.size; i++)
  {
    if ( (port.at[i] < '0') ||
         ('9' < port.at[i]) )
      return false;
    number = 10 * number + (unsigned int) (port.at[i] - '0');
    if (MAX_PORT < number)
      return false;
  }
  return true;
}


/* unreserved, sub-delims and "%41".  A comma would be two hosts that somebody has
   made one list of. */
static bool
target_is_name (struct span name)
{
  size_t i;

  for (i = 0; i < name.size; i++)
  {
    const char c = name.at[i];

    if ('%' == c)
    {
      int high;
      int low;

      if (name.size - i < 3)
        return false;
      high = target_hex_digit (name.at[i + 1]);
      low = target_hex_digit (name.at[i + 2]);
      if ( (-1 == high) ||
           (-1 == low) ||
           (0 == high + low) )
        return false;
      i += 2;
    }
    else if ( (! target_is_alnum (c)) &&
              ( ('\0' == c) || (NULL == strchr ("-._~!$&'()*+;=", c)) ) )
      return false;
  }
  return true;
}


/* What stands between "[" and "]": an address, and its zone after a "%"
   (RFC 6874, but clients also send the zone as it is). */
static bool
target_is_ipv6 (struct span literal)
{
  char text[INET6_ADDRSTRLEN];
  struct in6_addr address;
  const char *const zone = memchr (literal.at, '%', literal.size);
  const size_t size = NULL == zone ? literal.size : (size_t) (zone - literal.at);
  size_t i;

  if (sizeof (text) <= size)
    return false;
  memcpy (text, literal.at, size);
  text[size] = '\0';
  if ( (strlen (text) != size) ||
       (1 != inet_pton (AF_INET6, text, &address)) ||
       (size + 1 == literal.size) )
    return false;
  for (i = size + 1; i < literal.size; i++)
    if ( (! target_is_alnum (literal.at[i])) &&
         ( ('\0' == literal.at[i]) || (NULL == strchr ("-._~%", literal.at[i])) ) )
      return false;
  return true;
}


bool
target_is_authority (struct span authority)
{
  const char *const end = authority.at + authority.size;
  const char *host_end;

  if (0 == authority.size)
    return false;
  if ('[' == authority.at[0])
  {
    host_end = memchr (authority.at, ']', authority.size);
    if ( (NULL == host_end) ||
         (! target_is_ipv6 ((struct span) {
           authority.at + 1, (size_t) (host_end - authority.at) - 1
         })) )
      return false;
    host_end++;
  }
  else
  {
    host_end = memchr (authority.at, ':', authority.size);
    if (NULL == host_end)
      host_end = end;
    if ( (host_end == authority.at) ||
         (! target_is_name ((struct span) {
           authority.at, (size_t) (host_end - authority.at)
         })) )
      return false;
  }
  return (host_end == end) ||
         ( (':' == *host_end) &&
           (target_is_port ((struct span) {
             host_end + 1, (size_t) (end - host_end) - 1
           })) );
}


/* The bytes of a path and a query (RFC 3986, 3.3 and 3.4), and also those which
   browsers leave as they are: []{}|^` and, in a query, a backslash.  "%00" would
   end the target in C. */
static bool
target_is_path (const char *at,
                const char *end)
{
  bool in_query = false;

  for (; at < end; at++)
  {
    if ( ((unsigned char) *at <= ' ') ||
         ((unsigned char) *at >= 0x7f) )
      return false;
    switch (*at)
    {
    case '?':
      in_query = true;
      break;
    case '"':
    case '#':
    case '<':
    case '>':
      return false;
    case '\\':
      if (! in_query)
        return false;
      break;
    case '%':
      if ( (end - at > 2) && ('0' == at[1]) && ('0' == at[2]) )
        return false;
      break;
    default:
      break;
    }
  }
  return true;
}


/* Bytes of "http://" or "https://"; 0 if it begins otherwise. */
static size_t
target_scheme_size (struct span target)
{
  static const char *const schemes[] = { "http://", "https://" };
  size_t i;

  for (i = 0; i < sizeof (schemes) / sizeof (*schemes); i++)
  {
    const size_t size = strlen (schemes[i]);

    if ( (target.size >= size) &&
         (0 == strncasecmp (target.at, schemes[i], size)) )
      return size;
  }
  return 0;
}


bool
target_parse (struct span target,
              bool options,
              struct span *authority)
{
  const char *const end = target.at + target.size;
  const size_t scheme = target_scheme_size (target);
  const char *at = target.at + scheme;

  if (0 == target.size)
    return false;
  if ('/' == target.at[0])
    return target_is_path (at, end);
  if (0 == scheme)
    return options && (1 == target.size) && ('*' == target.at[0]);
  while ( (at < end) && ('/' != *at) && ('?' != *at) )
    at++;
  *authority = (struct span) {
    target.at + scheme, (size_t) (at - target.at) - scheme
  };
  return target_is_authority (*authority) &&
         target_is_path (at, end);
}
