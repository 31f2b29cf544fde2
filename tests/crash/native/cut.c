/* Cuts the power of an ext4 file system: whatever the kernel has not written yet is lost, its journal included. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>

#define EXT4_IOC_SHUTDOWN _IOR('X', 125, uint32_t)
#define NOLOGFLUSH 2

int main(int count, char **words) {
    uint32_t how = NOLOGFLUSH;
    int folder = count == 2 ? open(words[1], O_RDONLY | O_DIRECTORY) : -1;
    if (folder < 0 || ioctl(folder, EXT4_IOC_SHUTDOWN, &how) != 0) {
        perror("EXT4_IOC_SHUTDOWN");
        return 1;
    }
    return 0;
}
