// What a debugger shows of this kernel follows from its lines: the test names them by their comments.
struct point { int x, y; };

long total = 7;
struct point corner = { 3, -4 };
const char greeting[] = "by source";

long inner(long factor, const struct point *at)
{
	long product = factor * at->x; // product
	long sum = product + at->y;    // sum
	total += sum;                  // write
	return sum * 2;                // result
} // end of inner

long outer(long count)
{
	long last = 0;                        // outer begins
	for (long i = 1; i <= count; i++)     // loop
		last = inner(i * 10, &corner); // call
	corner.y = (int)last;                 // after the loop
	return last;                          // outer returns
}

// The shutdown's reason: 0 is poweroff.
int kernel(void)
{
	long last = outer(3);         // kernel calls
	return last == 172 ? 0 : 3;   // kernel returns
}
