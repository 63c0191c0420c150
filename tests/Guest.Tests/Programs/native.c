/* The host's side: the same object with a main that writes what it computed. */
#include <stdint.h>
#include <stdio.h>
uint32_t program(uint8_t *buffer, uint32_t size);
int main(void)
{
    static uint8_t buffer[8192];
    uint32_t n = program(buffer, sizeof buffer);
    return fwrite(buffer, 1, n, stdout) == n ? 0 : 1;
}
