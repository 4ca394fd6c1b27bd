/* SPDX-License-Identifier: MIT
 *
 * 304 (Not Modified).
 *
 * It has no body, but may tell the length of the one that is as it was.  Nothing else
 * may stand there: a cache would take "Content-Length: 0" for news.
 */
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "http/not_modified.h"

/* From 0.9.73 on, and before 1.0, a length is told whenever there is one; a response
   without one ends with the connection, so its body is never asked for. */
#define TELLS_ANY_LENGTH ((0x00097300 <= MHD_VERSION) && (0x01000000 > MHD_VERSION))


#if TELLS_ANY_LENGTH
/* MHD_ContentReaderCallback. */
static ssize_t
not_modified_read (void *cls,
                   uint64_t position,
                   char *buffer,
                   size_t size)
{
  (void) cls;
  (void) position;
  (void) buffer;
  (void) size;
  return MHD_CONTENT_READER_END_OF_STREAM;
}


#endif


struct MHD_Response *
not_modified_response (void)
{
#if TELLS_ANY_LENGTH
  struct MHD_Response *const mhd
    = MHD_create_response_from_callback (MHD_SIZE_UNKNOWN, 1, &not_modified_read,
                                         NULL, NULL);
  const enum MHD_ResponseFlags flags = MHD_RF_HTTP_VERSION_1_0_ONLY;
#else
  struct MHD_Response *const mhd
    = MHD_create_response_from_buffer (0, NULL, MHD_RESPMEM_PERSISTENT);
#if MHD_VERSION >= 0x01000000
  const enum MHD_ResponseFlags flags = MHD_RF_HEAD_ONLY_RESPONSE;
#else
  const enum MHD_ResponseFlags flags = MHD_RF_NONE;
#endif
#endif

  if ( (NULL == mhd) ||
       (MHD_YES == MHD_set_response_options (mhd, flags, MHD_RO_END)) )
    return mhd;
  MHD_destroy_response (mhd);
  return NULL;
}


bool
not_modified_tells_length (struct MHD_Response *mhd,
                           size_t body_size)
{
#if MHD_VERSION < 0x00097300
  char length[24];

  (void) snprintf (length, sizeof (length), "%zu", body_size);
  return (MHD_YES
          == MHD_set_response_options (mhd, MHD_RF_INSANITY_HEADER_CONTENT_LENGTH,
                                       MHD_RO_END)) &&
         (MHD_YES
          == MHD_add_response_header (mhd, MHD_HTTP_HEADER_CONTENT_LENGTH, length));
#else
  (void) mhd;
  (void) body_size;
  return true;
#endif
}
