#define MHD_RF_HEAD_ONLY_RESPONSE ...

struct MHD_Response *
MHD_create_response_empty (enum MHD_ResponseFlags flags);

struct MHD_Response *
MHD_create_response_from_buffer_static (size_t size, const void *buffer);

struct MHD_Response *
MHD_create_response_from_buffer_copy (size_t size, const void *buffer);
