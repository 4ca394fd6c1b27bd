/* SPDX-License-Identifier: MIT
 *
 * Where the lines of a header lie, in libmicrohttpd's buffer.
 *
 * Releases before 1.0 end a name or a value at a NUL and hide what follows, take
 * an LF or even a CR for the end of a line, glue a folded line to whatever is
 * near, and end the header at a line that begins with a NUL or a colon.  But the
 * lines remain where they were received, with a NUL over each colon and over
 * each byte that has ended a line.  So if every line begins where the one before
 * ends in CRLF, nothing was hidden, up to the length of the whole.  Later
 * releases refuse all that, and use the end of the header's memory again.
 *
 * On the driver's thread, inside the access handler; Python does not run.
 */
#include "http/head.h"


bool
layout_is_known (void)
{
  return '0' == MHD_get_version ()[0];
}


void
layout_end_line (struct layout *layout,
                 const char *end)
{
  if ( ('\0' != end[0]) ||
       ('\0' != end[1]) )
    layout->is_broken = true;
  layout->next = end + 2;
}


/* Only where the line begins at the right place do the bytes behind it exist. */
void
layout_add (struct layout *layout,
            struct span name,
            struct span value)
{
  const char *at = name.at + name.size;

  if ( (! layout_is_known ()) ||
       (layout->is_broken) )
    return;
  layout->is_broken = (layout->next != name.at) || ('\0' != *at);
  if (layout->is_broken)
    return;
  do
    at++;
  while ( (' ' == *at) || ('\t' == *at) );
  layout->is_broken = at != value.at;
  if (! layout->is_broken)
    layout_end_line (layout, value.at + value.size);
}


/* 0.9.72 tells only the last line's length, below zero: there the body has to begin
   behind it.  Others tell that of the whole header. */
void
layout_end (struct layout *layout,
            struct MHD_Connection *connection,
            const char *begin)
{
  const union MHD_ConnectionInfo *const info
    = MHD_get_connection_info (connection,
                               MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

  if ( (! layout_is_known ()) ||
       (layout->is_broken) ||
       (NULL == info) )
    return;
  if (NULL == layout->next)     /* without a version nothing tells where it begins */
  {
    layout->is_broken = true;
    return;
  }
  layout_end_line (layout, layout->next);
  if ((size_t) -2 == info->header_size)
    layout->body = layout->next;
  else if ((size_t) (layout->next - begin) != info->header_size)
    layout->is_broken = true;
}
