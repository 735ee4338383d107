/* The emulated device needs no driver; this is the file that is looked for. */
int cuInit(unsigned flags) { return (int)flags; }
