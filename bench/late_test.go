//go:build linux

package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"wsrun/internal/client"
	"wsrun/internal/protocol"
	"wsrun/test/launch"
)

// startProgram starts wsrun in a terminal, with a full-screen program, and returns
// its address once the program fills the screen.
func startProgram(b *testing.B, size string, command ...string) (*launch.Instance, string) {
	b.Helper()
	if _, err := exec.LookPath(command[0]); err != nil {
		b.Fatal(err)
	}
	terminal, slave, err := pty.Open()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { terminal.Close() })
	go io.Copy(io.Discard, terminal)
	cmd := launch.Command(wsrun, append([]string{"-q", "--size", size}, command...)...)
	cmd.Env = append(cmd.Env, "TERM=xterm-256color")
	cmd.Stdin, cmd.Stdout = slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	i, addr := begin(b, cmd)
	slave.Close()
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(hello(b, addr).Prelude, "\x1b[H\x1b[2J"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatal("the program does not fill the screen")
		}
	}
	return i, addr
}

// hello joins and returns the hello.
func hello(b *testing.B, addr string) protocol.HelloEvent {
	v, err := client.Dial(context.Background(), "ws://"+addr+"/", client.Options{})
	if err != nil {
		b.Error(err)
		return protocol.HelloEvent{}
	}
	defer v.Close()
	m, err := v.Next(context.Background())
	if err != nil {
		b.Error(err)
		return protocol.HelloEvent{}
	}
	return m.Event.(protocol.HelloEvent)
}

// BenchmarkJoin is the time from dialling to having the screen of htop.
func BenchmarkJoin(b *testing.B) {
	_, addr := startProgram(b, "200x50", "htop")
	var times []time.Duration
	for b.Loop() {
		begin := time.Now()
		hello(b, addr)
		times = append(times, time.Since(begin))
		time.Sleep(300 * time.Millisecond) // a new picture each time
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "ms-median")
	b.ReportMetric(float64(times[len(times)-1].Microseconds())/1000, "ms-max")
}

// BenchmarkThousandJoins is wsrun's CPU time for 1,000 joins in a second during
// htop.
func BenchmarkThousandJoins(b *testing.B) {
	cmd, addr := startProgram(b, "200x50", "htop")
	for b.Loop() {
		before := cpu(b, cmd.Process.Pid)
		var wg sync.WaitGroup
		tick := time.NewTicker(time.Millisecond)
		for range 1000 {
			<-tick.C
			wg.Go(func() { hello(b, addr) })
		}
		tick.Stop()
		wg.Wait()
		b.ReportMetric((cpu(b, cmd.Process.Pid) - before).Seconds(), "cpu-s")
	}
}

// cpu returns the CPU time of a process (proc(5), fields 14 and 15 of stat, in
// hundredths of a second).
func cpu(b *testing.B, pid int) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+2:]))
	var user, system int64
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		b.Fatal(err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}
