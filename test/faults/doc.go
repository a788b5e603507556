// Package faults holds tests that break things around a running wsrun and look
// whether anybody notices who should not. It has no code of its own.
//
// Each scenario runs the real binary with a canary: a command that writes numbered
// lines, each with the time and a checksum, and undisturbed viewers of every kind.
// Whatever is done to others, to wsrun's standard output or to its machine, the
// canary's viewers see each line once, in order and within ten seconds; the
// command's writes do not block, and its exit status is wsrun's.
//
// What is random follows from a seed, which is printed; -seed repeats it, and -long
// runs the long set, as make chaos does. The tests need Linux, whose /proc tells
// what a process holds, and, for some, strace, root or Node: without those they say
// so and skip.
package faults
