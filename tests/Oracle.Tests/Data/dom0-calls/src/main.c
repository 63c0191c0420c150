#include "kernel.h"
#include <stdarg.h>

struct start_info *start;
char pool[POOL][PAGE] __attribute__((aligned(4096)));
union argument arg __attribute__((aligned(4096)));
static char line[400];
static unsigned used;
static const char *in_group = "";

void *memcpy(void *d, const void *s, unsigned long n) { char *a = d; const char *b = s; while (n--) *a++ = *b++; return d; }
#undef memset
void *memset(void *p, int c, unsigned long n) { char *a = p; while (n--) *a++ = c; return p; }
void clear(void *p, unsigned char c, unsigned long n) { memset(p, c, n); }

static void put(char c) { if (used < sizeof(line) - 2) line[used++] = c; }

static void number(uint64_t n, unsigned base)
{
	char digits[24];
	unsigned i = 0;
	do
		digits[i++] = "0123456789abcdef"[n % base];
	while (n /= base);
	while (i)
		put(digits[--i]);
}

static void format_to_line(const char *f, va_list args)
{
	for (; *f; f++) {
		if (*f != '%') {
			put(*f);
			continue;
		}
		switch (*++f) {
		case 's':
			for (const char *s = va_arg(args, const char *); *s; s++)
				put(*s);
			break;
		case 'd': {
			long n = va_arg(args, long);
			if (n < 0) {
				put('-');
				n = -n;
			}
			number(n, 10);
			break;
		}
		case 'x':
			number(va_arg(args, uint64_t), 16);
			break;
		}
	}
}

static void flush(void)
{
	if (!used)
		return;
	line[used++] = '\n';
	H(console_io, CONSOLEIO_write, used, line, 0);
	used = 0;
}

void print(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	format_to_line(format, args);
	va_end(args);
}

void group(const char *name) { flush(); in_group = name; }

void row(const char *format, ...)
{
	va_list args;
	flush();
	print("call: %s/", in_group);
	va_start(args, format);
	format_to_line(format, args);
	va_end(args);
}

void main(struct start_info *s)
{
	start = s;
	grants();
	calls();
	group("end");
	row("done");
	flush();
	struct sched_shutdown off = { SHUTDOWN_poweroff };
	H(sched_op, SCHEDOP_shutdown, &off, 0, 0);
}
