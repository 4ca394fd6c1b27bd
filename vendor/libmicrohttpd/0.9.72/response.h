#define MHD_CONTENT_READER_END_OF_STREAM ...
#define MHD_CONTENT_READER_END_WITH_ERROR ...

enum MHD_ResponseFlags
{
  MHD_RF_NONE,
  MHD_RF_HTTP_VERSION_1_0_ONLY,
  MHD_RF_HTTP_VERSION_1_0_RESPONSE,
  MHD_RF_INSANITY_HEADER_CONTENT_LENGTH,
  ...
};

enum MHD_ResponseOptions { MHD_RO_END, ... };

enum MHD_ResponseMemoryMode
{
  MHD_RESPMEM_PERSISTENT,
  MHD_RESPMEM_MUST_FREE,
  MHD_RESPMEM_MUST_COPY,
  ...
};

typedef ssize_t
(*MHD_ContentReaderCallback) (void *cls,
                              uint64_t pos,
                              char *buf,
                              size_t max);

typedef void
(*MHD_ContentReaderFreeCallback) (void *cls);

enum MHD_Result
MHD_set_response_options (struct MHD_Response *response,
                          enum MHD_ResponseFlags flags,
                          ...);

struct MHD_Response *
MHD_create_response_from_callback (uint64_t size,
                                   size_t block_size,
                                   MHD_ContentReaderCallback crc,
                                   void *crc_cls,
                                   MHD_ContentReaderFreeCallback crfc);

struct MHD_Response *
MHD_create_response_from_data (size_t size,
                               void *data,
                               int must_free,
                               int must_copy);

struct MHD_Response *
MHD_create_response_from_buffer (size_t size,
                                 void *buffer,
                                 enum MHD_ResponseMemoryMode mode);

struct MHD_Response *
MHD_create_response_from_buffer_with_free_callback (
  size_t size,
  void *buffer,
  MHD_ContentReaderFreeCallback crfc);

struct MHD_Response *
MHD_create_response_from_fd (size_t size, int fd);

struct MHD_Response *
MHD_create_response_from_pipe (int fd);

struct MHD_Response *
MHD_create_response_from_fd64 (uint64_t size, int fd);

struct MHD_Response *
MHD_create_response_from_fd_at_offset (size_t size, int fd, off_t offset);

struct MHD_Response *
MHD_create_response_from_fd_at_offset64 (uint64_t size,
                                         int fd,
                                         uint64_t offset);

void
MHD_destroy_response (struct MHD_Response *response);

enum MHD_Result
MHD_add_response_header (struct MHD_Response *response,
                         const char *header,
                         const char *content);

enum MHD_Result
MHD_add_response_footer (struct MHD_Response *response,
                         const char *footer,
                         const char *content);

enum MHD_Result
MHD_del_response_header (struct MHD_Response *response,
                         const char *header,
                         const char *content);

int
MHD_get_response_headers (struct MHD_Response *response,
                          MHD_KeyValueIterator iterator,
                          void *iterator_cls);

const char *
MHD_get_response_header (struct MHD_Response *response, const char *key);

const char *
MHD_get_reason_phrase_for (unsigned int code);
