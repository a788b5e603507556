// Package faults contains tests that break things around a running wsrun, and check that
// nothing else is affected. It has no code besides the tests.
//
// Each scenario runs the real binary with a canary: a command that writes numbered lines, each
// with the time and a checksum, and undisturbed viewers of every kind. Whatever happens to
// other viewers, to wsrun's standard output or to the machine, the canary's viewers must see
// each line once, in order and within ten seconds; the command's writes must not block; and the
// command's exit status must be wsrun's.
//
// Random choices follow from a seed, which is printed. -seed repeats a run, and -long runs the
// long set, as does make chaos. The tests need Linux, where /proc shows what a process holds.
// Some also need strace, ip, Node or root; a test that lacks the rights it needs is skipped.
package faults
