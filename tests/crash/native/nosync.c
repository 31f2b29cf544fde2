/* Preloaded into the server for the negative control: what rail 1 of the store relies on does nothing. */
int fdatasync(int descriptor) {
    (void)descriptor;
    return 0;
}
