//go:build unix

package history

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"wsrun/broadcaster"
)

func TestFileHasNoName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := New(Options{Delay: time.Millisecond, Bytes: 4 << 20, Dirs: []string{dir}, Report: func(err error) { t.Error(err) }})
	defer s.Close()
	b := follow(t, s, broadcaster.Options{Lines: 1000})
	b.Write([]byte(strings.Repeat("a few lines\n", 400)))
	b.Flush()
	if s.file != nil {
		t.Error("there is a file before the ring is half full")
	}
	rng := rand.New(rand.NewPCG(5, 5))
	const secret = "nobody may see this"
	b.feed(t, rng, bytes.Repeat([]byte(secret+"\n"), 1<<20/len(secret)))
	b.end()
	if names, err := os.ReadDir(dir); err != nil || len(names) > 0 {
		t.Errorf("in the directory: %v, %v", names, err)
	}
	var st syscall.Stat_t
	if err := syscall.Fstat(int(s.file.Fd()), &st); err != nil || st.Nlink != 0 || st.Mode&0o777 != 0o600 || st.Size > 4<<20 || st.Size < 1<<20 {
		t.Errorf("the file has %d names, mode %o and %d bytes, %v", st.Nlink, st.Mode&0o777, st.Size, err)
	}
	disk := make([]byte, st.Size)
	if n, err := s.file.ReadAt(disk, 0); err != nil && err != io.EOF || bytes.Contains(disk[:n], []byte(secret[:8])) {
		t.Errorf("the file has the output in the clear, or %v", err)
	}
}

// createNamed is for file systems without O_TMPFILE, and other systems.
func TestNamedFileLosesItsName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f, err := createNamed(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if names, err := os.ReadDir(dir); err != nil || len(names) > 0 {
		t.Errorf("in the directory: %v, %v", names, err)
	}
	if info, err := f.Stat(); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// helperVariable makes the test binary play a part in a test.
const helperVariable = "WSRUN_HISTORY_TEST"

// helper runs the test binary as the given part, with a directory as its argument.
func helper(t *testing.T, part, dir string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^TestHelper$", dir)
	cmd.Env = append(os.Environ(), helperVariable+"="+part)
	return cmd
}

func TestHelper(t *testing.T) {
	dir := os.Args[len(os.Args)-1]
	switch os.Getenv(helperVariable) {
	case "":
		t.Skip("this is a part of other tests")
	case "wait":
		s := newStore(t, dir, 4<<20)
		b := follow(t, s, broadcaster.Options{Lines: 1000})
		b.feed(t, rand.New(rand.NewPCG(6, 6)), bytes.Repeat([]byte("some output\n"), 1<<18))
		b.end()
		fmt.Println("ready", s.Size())
		select {}
	case "fill":
		fillDisk(t, dir)
	}
}

func TestKillLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := helper(t, "wait", dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var size int64
	for lines := bufio.NewScanner(out); size == 0 && lines.Scan(); {
		fmt.Sscanf(lines.Text(), "ready %d", &size)
	}
	cmd.Process.Kill()
	cmd.Wait()
	if names, err := os.ReadDir(dir); err != nil || len(names) > 0 || size < 2<<20 {
		t.Errorf("after kill, with %d bytes of history: %v, %v", size, names, err)
	}
}

// TestFullDisk fills a disk of 1 MiB, which vanishes with its mount namespace.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := helper(t, "fill", dir)
	const script = `mount -t tmpfs -o size=1m none "$0" || exit 99; exec "$@"`
	cmd.Args = append([]string{"sh", "-c", script, dir, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
	isolateMounts(cmd)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() == 99 {
		t.Skipf("no disk to fill: %s", out)
	}
	if err != nil || !bytes.Contains(out, []byte("PASS")) {
		t.Errorf("%v: %s", err, out)
	}
}

// fillDisk follows a stream that is longer than the disk is large. The history keeps what it can.
func fillDisk(t *testing.T, dir string) {
	var reported []error
	s := New(Options{Delay: time.Millisecond, Bytes: 64 << 20, Dirs: []string{dir}, Report: func(err error) { reported = append(reported, err) }})
	defer s.Close()
	const total = 8 << 20
	m := newModel(t, s, broadcaster.Options{Lines: 2000}, total)
	c, _ := m.Open(-1)
	rng := rand.New(rand.NewPCG(7, 7))
	m.writeAll(rng, 1<<20)
	f := &follower{m: m, cursor: c}
	if err := f.read(total); err != nil {
		t.Error(err)
	}
	left, all, err := space(s.file)
	if err != nil || left < all/10 || left > all/2 {
		t.Errorf("%d of %d bytes of the disk are left, %v", left, all, err)
	}
	first, ok := m.log.First()
	if kept := m.log.End().Offset - first.Offset; !ok || kept < all/4 || kept > all || f.resets != first.Offset {
		t.Errorf("the history has %d bytes of %d; %d lost, and First = %v", kept, total, f.resets, first)
	}
	if len(reported) != 1 {
		t.Errorf("reported %v", reported)
	}
}

// No part of the key stream is used twice, even if slots are reused and writes fail: with the same output in
// all places, what is written would be the same.
func TestKeyStreamIsUsedOnce(t *testing.T) {
	t.Parallel()
	s := New(Options{Delay: time.Millisecond, Bytes: 1 << 20, Dirs: []string{t.TempDir()}})
	defer s.Close()
	s.open()
	var mu sync.Mutex
	seen, twice, writes := map[[16]byte]bool{}, 0, 0
	write := s.writeAt
	s.writeAt = func(p []byte, at int64) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		for rest := p[(16-at%16)%16:]; len(rest) >= 16; rest = rest[16:] {
			if seen[[16]byte(rest)] {
				twice++
			}
			seen[[16]byte(rest)] = true
		}
		if writes++; writes%20 == 0 {
			return 0, []error{syscall.EIO, syscall.ENOSPC}[writes/20%2]
		}
		return write(p, at)
	}
	b := follow(t, s, broadcaster.Options{Bytes: 100_000})
	b.feed(t, rand.New(rand.NewPCG(8, 9)), bytes.Repeat([]byte("x"), 6<<20))
	b.end()
	if len(seen) < 11<<20/2/16 || twice > 0 {
		t.Errorf("%d of %d pieces were written twice", twice, len(seen))
	}
}
