uint32_t
MHD_get_version_bin (void);
