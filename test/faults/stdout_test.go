//go:build linux

package faults

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestFullOutput checks that a full device or disk at standard output causes one warning, and
// affects neither the command nor the viewers.
func TestFullOutput(t *testing.T) {
	t.Parallel()
	checkFull := func(t *testing.T, cmd *exec.Cmd, look func(*canary)) {
		c := watchCanary(begin(t, cmd))
		await(t, maxDelay, "output continues", func() bool {
			last, _, _ := c.viewers["wsrun.v1"].seen()
			return last >= 2000
		})
		look(c)
		c.finish()
		if strings.Count(c.Said(), "no space left on device") != 1 || strings.Count(c.Said(), "\n") != 2 {
			t.Errorf("want one warning, got %q", c.Said())
		}
	}
	t.Run("device", func(t *testing.T) {
		t.Parallel()
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer full.Close()
		cmd := canaryOf(t, plainLoad)
		cmd.Stdout = full
		checkFull(t, cmd, func(*canary) {})
	})
	// The disk is a tmpfs in a new mount namespace, and vanishes with the namespace. Without
	// root or a user namespace, only /dev/full can return ENOSPC.
	t.Run("disk", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		cmd := canaryOf(t, plainLoad)
		const script = `mount -t tmpfs -o size=64k none "$0" || exit 99; exec "$@" >"$0/out"`
		cmd.Args = append([]string{"sh", "-c", script, dir, cmd.Path}, cmd.Args[1:]...)
		cmd.Path = "/bin/sh"
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
		if os.Getuid() != 0 {
			cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
			cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
			cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
		}
		try := exec.Command("mount", "-t", "tmpfs", "none", dir)
		try.SysProcAttr = cmd.SysProcAttr
		if out, err := try.CombinedOutput(); err != nil {
			t.Skipf("no tmpfs to fill: %v %s", err, out)
		}
		checkFull(t, cmd, func(c *canary) {
			kept, err := os.ReadFile(fmt.Sprintf("/proc/%d/root%s/out", c.Process.Pid, dir))
			o := oracle{next: 1}
			o.write(kept)
			if last, _, bad := o.seen(); err != nil || len(kept) != 64<<10 || bad != nil || last < 100 {
				t.Errorf("the disk holds %d bytes, %d lines: %v, %v", len(kept), last, err, bad)
			}
		})
	})
}
