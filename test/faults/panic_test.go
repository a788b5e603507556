//go:build linux

package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"wsrun/internal/client"
	"wsrun/test/launch"
)

// A planting says when a panic happens, and what it may cost.
type planting struct {
	when plantTime
	cost int  // how many viewers may be cut off at most
	many bool // the visitors look at more files than wsrun follows
	file bool // wsrun follows files, instead of running a command
	open bool // wsrun opens a browser
}

// A plantTime is when the panic happens.
type plantTime int

const (
	whileServing plantTime = iota // once viewers are there
	atStart
	atEnd // when wsrun cuts off viewers that don't leave
)

// one is a panic in code that serves one viewer, or that begins or ends a connection.
var one = planting{cost: 1}

// plantings says for each place what a panic there may cost. Most cost the viewer that was being served,
// which is one of those that the test watches, or one of its visitors.
var plantings = map[string]planting{
	"broadcaster.Broadcaster.publishLate": {}, // readers get the output a second later

	"cli.announce#1":           {when: atStart, open: true},
	"cli.logQueue.writeAll":    {when: atStart},
	"cli.service.endServing":   {when: atEnd, cost: 2 * seatsPerStream}, // what they haven't got by then
	"cli.service.endServing#1": {when: atEnd},
	"cli.service.open#1":       {when: atStart},
	"cli.service.shutdown#1":   {when: atEnd},

	"filetail.Watcher.run":    {when: atStart, file: true}, // files are polled from then on
	"filetail.Watcher.signal": {file: true},
	"filetail.follower.look":  {cost: seatsPerStream, file: true}, // viewers of the file
	"filetail.follower.run":   {file: true},                       // a visitor's file
	"filetail.follower.step":  {cost: seatsPerStream, file: true},

	"hub.Hub.screenAt#1":            {},
	"hub.Panics.KeepRunning#1":      {when: atStart},
	"hub.Session.Begin":             one,
	"hub.Sessions.ServeContent":     {file: true},
	"hub.Sessions.ServeWebSocket":   {},
	"hub.Sessions.TurnAway":         {},
	"hub.Sessions.TurnAway#1":       {when: atEnd},
	"hub.Sessions.WhileConnected#1": {},
	"hub.Sessions.leave":            {},
	"hub.Sessions.upgrade":          {},
	"hub.Sessions.upgrade#1":        {when: atEnd},
	"hub.audience.announce":         {},
	"hub.awakeClock.run":            {when: atStart},
	"hub.conn.Read":                 one,
	"hub.deflate":                   one,
	"hub.deflateCache.entry":        one,
	"hub.frameCache.get":            one,
	"hub.joinTracker.follow":        {},
	"hub.joinTracker.join":          {},
	"hub.joinTracker.open":          {},
	"hub.joinTracker.run":           {when: atStart},
	"hub.joinTracker.write":         {},
	"hub.listener.Accept":           {},
	"hub.membership.leave":          {},
	"hub.newAwakeClock#1":           {when: atStart},
	"hub.newFiller#1":               {when: atStart},
	"hub.newJoinTracker#1":          {when: atStart},
	"hub.viewer.catchUp":            one,
	"hub.viewer.end":                {},
	"hub.viewer.follow":             {},
	"hub.viewer.gone":               {},
	"hub.viewer.leave":              {},
	"hub.viewer.read":               {},
	"hub.viewer.run":                {},
	"hub.viewer.serveFrom":          {},
	"hub.viewer.sendContent":        {file: true},
	"hub.viewer.sendHello":          {},
	"hub.viewer.sendItem":           one,
	"hub.wire.send":                 one,
	"hub.writer.pass":               {},
	"hub.writer.run":                {when: atStart},
	"hub.writer.serve":              one,
	"hub.writer.serveQueue":         {},
	"hub.writerLoop.loop":           {when: atStart},

	"internal/logs.Content.Copy":    {file: true},
	"internal/logs.Logs.endLater#1": {file: true, many: true},
	"internal/logs.Logs.join":       {file: true},
	"internal/logs.Logs.leave":      {file: true},
	"internal/logs.Logs.open":       {cost: seatsPerStream, file: true},
	"internal/logs.Logs.start#1":    {file: true},
	"internal/logs.Logs.start#2":    {file: true},
	"internal/logs.lister.enter#1":  {file: true}, // another one is started
	"internal/logs.lister.start#1":  {file: true},
	"internal/logs.intake.Write":    {cost: seatsPerStream, file: true},

	"screen.Screen.WriteUntil": {},
	"screen.newVT":             {},
	"screen.newVT#1":           {},

	"server.Server.Shutdown#1":     {when: atEnd},
	"server.Server.enter":          {},
	"server.Server.notFound":       {},
	"server.Server.serveCatalog":   {},
	"server.Server.serveHealth":    {},
	"server.Server.serveLive":      {},
	"server.Server.serveLogin":     {},
	"server.Server.serveMetrics":   {},
	"server.Server.serveQR":        {},
	"server.Server.serveStatic":    {},
	"server.Server.serveStatus":    {},
	"server.Server.serveStored":    {file: true},
	"server.Server.serveStream":    {},
	"server.Server.serveWebSocket": {},
	"server.Server.turnAway":       {},
	"server.searcher.search":       {},
	"server.serveEvents":           {},
	"server.serveText":             {},
	"server.strangers.context":     {},
	"server.strangers.state":       one,
}

// noPlantings are the places where a panic ends wsrun, because the command depends on them or they call nothing
// that could panic; and those that another test covers.
var noPlantings = map[string]string{
	"cli.awake#1":          "only sleeps; what limits the command's last words waits for it, too",
	"cli.newTee#1":         "writes to standard output",
	"cli.pipe.fill#1":      "reads standard input",
	"cli.supervisor.run#1": "reads the command's output",

	"server.Server.beginTLS#1": "is contained, as TestPanicInTLS proves; the seats use no TLS",
}

const (
	seatsPerStream = 5 // one of each kind
	plantedSlots   = 2*seatsPerStream + 4
	// plantedTime is how long a place may take to be reached.
	plantedTime = 15 * time.Second
)

// TestPanics checks that a panic in any goroutine that serves viewers costs at most the viewers that it
// serves.
func TestPanics(t *testing.T) {
	t.Parallel()
	path, places := plant(t)
	for place := range plantings {
		if !slices.Contains(places, place) {
			t.Errorf("there is no %s any more", place)
		}
	}
	for place := range noPlantings {
		at := slices.Index(places, place)
		if at < 0 {
			t.Fatalf("there is no %s any more", place)
		}
		places = slices.Delete(places, at, at+1)
	}
	turns := make(chan struct{}, 4)
	var contained atomic.Int64
	t.Run("places", func(t *testing.T) {
		for _, place := range places {
			p, ok := plantings[place]
			if !ok {
				t.Errorf("what may a panic in %s cost? Add it to the table", place)
				continue
			}
			t.Run(strings.NewReplacer("/", ".", "#", "-").Replace(place), func(t *testing.T) {
				t.Parallel()
				turns <- struct{}{}
				defer func() { <-turns }()
				p.prove(t, path, place)
				contained.Add(1)
			})
		}
	})
	t.Attr("promise", "a panic in code that serves viewers costs at most the viewers that the code serves")
	t.Attr("figure", fmt.Sprintf("%d of %d places", contained.Load(), len(places)))
}

// A victim is a wsrun with a planted panic.
type victim struct {
	*instance
	planting
	place  string
	dir    string // of its files, and the file that arms the panic
	stream string // path of the stream that visitors look at
	taken  []*seat
	last   func() int64 // ends the output and returns the number of its last line
}

// prove runs wsrun with a panic in a place.
func (p planting) prove(t *testing.T, path, place string) {
	v := &victim{planting: p, place: place, dir: t.TempDir()}
	if p.when == atStart {
		v.arm(t)
	}
	v.start(t, path)
	await(t, maxDelay, "all seats have output", func() bool {
		return !slices.ContainsFunc(v.taken, func(s *seat) bool { last, _, _ := s.seen(); return last < 10 && !s.lost(10) })
	})
	if p.when != atEnd {
		v.arm(t)
		v.visitUntilPanic()
		v.checkNewViewer()
		if n := v.panics(); n < 1 {
			t.Errorf("wsrun_panics_total is %d", n)
		}
	} else {
		v.arm(t)
		defer v.mute()()
	}
	v.checkEnd()
}

func (v *victim) arm(t *testing.T) { write(t, filepath.Join(v.dir, "armed"), nil) }

// start starts wsrun and takes the seats: two of each kind, of the command or of two files.
func (v *victim) start(t *testing.T, path string) {
	t.Helper()
	logs := filepath.Join(v.dir, "logs")
	args := []string{"--max-viewers", strconv.Itoa(plantedSlots), "--open=" + strconv.FormatBool(v.open)}
	if v.file {
		if err := os.Mkdir(logs, 0o700); err != nil {
			t.Fatal(err)
		}
		v.last = appendLines(t, filepath.Join(logs, "a"), filepath.Join(logs, "b"))
		for i := range 300 {
			write(t, filepath.Join(logs, fmt.Sprint(i)), []byte("one line\n"))
		}
		args = append([]string{"files"}, append(args, logs)...)
	} else {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		args = append(args, self, "steady", filepath.Join(v.dir, "report"))
	}
	cmd := launch.Command(path, args...)
	cmd.Env = append(cmd.Env, "WSRUN_PLANT="+v.place+":"+filepath.Join(v.dir, "armed"),
		fmt.Sprintf("%s=%d-%d", tagVariable, os.Getpid(), tags.Add(1)))
	v.instance = begin(t, cmd)
	if v.file {
		v.stream = logs[1:] + "/"
		v.taken = append(v.seats(v.stream+"a", "?tail=1&n=all"), v.seats(v.stream+"b", "?tail=1&n=all")...)
		return
	}
	v.taken = append(v.seats("", ""), v.seats("", "")...)
	v.last = func() int64 {
		v.Stdin.Close()
		<-v.Done()
		text, _ := os.ReadFile(filepath.Join(v.dir, "report"))
		n, err := strconv.ParseInt(string(text), 10, 64)
		if err != nil {
			t.Errorf("the command's report: %v", err)
		}
		return n
	}
}

// writeSteadily writes 200 lines per second until standard input ends, and draws a picture now and then.
// It leaves the number of lines in a file.
func writeSteadily(file string) int {
	ended := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	for n, tick := int64(0), time.NewTicker(10*time.Millisecond); ; {
		text := numbered(n+1, "steady") + numbered(n+2, "steady")
		if n += 2; n%100 == 0 {
			text = "\x1b[?1049h\x1b[H\x1b[2J\x1b[?1049l" + text
		}
		if _, err := io.WriteString(os.Stdout, text); err != nil {
			return 1
		}
		select {
		case <-tick.C:
			continue
		case <-ended:
		}
		if err := os.WriteFile(file, []byte(strconv.FormatInt(n, 10)), 0o600); err != nil {
			return 1
		}
		return canaryStatus
	}
}

// appendLines appends numbered lines to files, in a goroutine that end stops.
func appendLines(t *testing.T, names ...string) (end func() int64) {
	t.Helper()
	var files []*os.File
	for _, name := range names {
		f, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	stop, ended := make(chan struct{}), make(chan int64, 1)
	go func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for n := int64(0); ; {
			select {
			case <-tick.C:
			case <-stop:
				ended <- n
				return
			}
			n++
			for _, f := range files {
				io.WriteString(f, numbered(n, "appended"))
			}
		}
	}()
	once := sync.OnceValue(func() int64 {
		close(stop)
		n := <-ended
		for _, f := range files {
			f.Close()
		}
		return n
	})
	t.Cleanup(func() { once() })
	return once
}

// visitUntilPanic sends visitors until the panic has happened.
func (v *victim) visitUntilPanic() {
	v.t.Helper()
	for start := time.Now(); !v.panicked(); {
		if time.Since(start) > plantedTime {
			v.t.Fatal("the panic didn't happen")
		}
		select {
		case <-v.Done():
			v.t.Fatalf("wsrun has ended; it said %.3000q", v.Said())
		default:
		}
		v.visit()
		await(v.t, 2*time.Second, "a moment has passed", elapsed(20*time.Millisecond))
	}
}

// panicked reports whether the panic was logged.
func (v *victim) panicked() bool { return strings.Contains(v.Said(), "planted in "+v.place+`"`) }

// visit sends visitors, which use everything that a viewer can. Any of them may fail.
func (v *victim) visit() {
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(v.visitPages)
	path := v.stream
	if v.file {
		path += strconv.Itoa(int(time.Now().UnixNano() % 300))
		all.Go(func() { v.glance(path+"?n=3", "text/plain") })
		all.Go(func() { v.glance(path+"?grep=line&tail=1", "text/plain") })
		all.Go(func() { v.glance("", "application/json") })
		all.Go(func() { v.look("", "wsrun.v1", 1) }) // changes of the list
		all.Go(func() { v.look(path+"?n=3", "wsrun.v1", 2) })
		if v.many {
			for i := range 300 {
				v.look(v.stream+strconv.Itoa(i)+"?tail=1", "wsrun.v1", 1)
			}
		}
	}
	if !v.file {
		all.Go(func() { v.glance("?format=hits&grep=steady", "text/plain") })
		all.Go(v.visitMoment)
	}
	all.Go(func() { v.glance(path+"?tail=1", "text/plain") })
	all.Go(func() { v.glance(path+"?tail=1&n=3", "text/event-stream") })
	all.Go(func() { v.glance(path+"?n=3", "text/plain") })
	all.Go(func() { v.look(path+"?tail=1", "wsrun.v1", 3) })
	all.Go(func() { v.look(path+"?tail=1", "", 1) })
	for range plantedSlots - 2*seatsPerStream {
		all.Go(func() { v.look(path+"?tail=1", "wsrun.v1", 2) })
	}
	all.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		o := client.Options{Compression: websocket.CompressionContextTakeover}
		if c, err := client.Dial(ctx, "ws://"+v.addr+"/"+path+"?tail=1", o); err == nil {
			defer c.Close()
			c.Next(ctx)
		}
	})
}

// visitMoment requests the screen of a program, within its first picture, which is in line 99.
func (v *victim) visitMoment() {
	resp, err := get(v.addr, "?format=slice&from=99&n=1", "text/plain")
	if err != nil {
		return
	}
	defer resp.Body.Close()
	var at struct {
		Epoch  string
		Offset int64
	}
	if json.NewDecoder(resp.Body).Decode(&at) == nil {
		v.glance(fmt.Sprintf("?format=slice&epoch=%s&offset=%d", at.Epoch, at.Offset+int64(len("\x1b[?1049h"))), "text/plain")
	}
}

// visitPages requests each route.
func (v *victim) visitPages() {
	for _, path := range []string{"-/healthz", "-/status", "-/metrics", "-/qr", "-/static/x/y", "-/none", v.stream} {
		v.glance(path, "text/html")
	}
	if resp, err := http.PostForm("http://"+v.addr+"/-/login", url.Values{"token": {"x"}}); err == nil {
		resp.Body.Close()
	}
}

// glance reads the beginning of a response.
func (v *victim) glance(path, accept string) {
	if resp, err := get(v.addr, path, accept); err == nil {
		io.ReadFull(resp.Body, make([]byte, 5))
		resp.Body.Close()
	}
}

// look reads some messages of a WebSocket, speaks, and leaves.
func (v *victim) look(path, subprotocol string, messages int) {
	conn, err := dialFor(v.addr, time.Second)
	if err != nil {
		return
	}
	defer conn.Close()
	s, err := open(conn, v.addr, path, subprotocol)
	for range messages {
		if err == nil {
			_, _, err = s.next()
		}
	}
	if err == nil && messages > 1 {
		s.answer(1, []byte("hi"))
		for err == nil {
			_, _, err = s.next()
		}
	}
}

// mute connects viewers that neither read nor leave, more than there are slots, and returns a function
// that disconnects them.
func (v *victim) mute() (leave func()) {
	var conns []net.Conn
	for range plantedSlots {
		conn := v.dial()
		conns = append(conns, conn)
		if _, err := open(conn, v.addr, "", "wsrun.v1"); err != nil {
			v.t.Error(err)
		}
	}
	return func() {
		for _, conn := range conns {
			conn.Close()
		}
	}
}

// checkNewViewer checks that viewers are still served.
func (v *victim) checkNewViewer() {
	v.t.Helper()
	for _, name := range []string{"a", "b"} {
		target := "?n=0"
		if v.file {
			target = v.stream + name + "?tail=1&n=0"
		}
		o := &oracle{since: time.Now()}
		gone := make(chan error, 1)
		await(v.t, maxDelay, "there is a slot", func() bool {
			go func() { gone <- sitV1(v.addr, target, o) }()
			for {
				select {
				case <-gone:
					return false
				case <-time.After(2 * time.Millisecond):
				}
				if last, _, _ := o.seen(); last > 0 {
					return true
				}
			}
		})
	}
}

// panics returns wsrun_panics_total.
func (v *victim) panics() int {
	resp, err := get(v.addr, "-/metrics", "text/plain")
	if err != nil {
		v.t.Error(err)
		return -1
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	_, value, _ := strings.Cut(string(text), "\nwsrun_panics_total ")
	value, _, _ = strings.Cut(value, "\n")
	n, _ := strconv.Atoi(value)
	return n
}

// checkEnd ends wsrun, and checks what the panic has cost.
func (v *victim) checkEnd() {
	v.t.Helper()
	last, status := v.last(), canaryStatus
	if v.file {
		status = 0
		await(v.t, maxDelay, "the viewers have all lines", func() bool {
			return !slices.ContainsFunc(v.taken, func(s *seat) bool { seen, _, _ := s.seen(); return seen < last && !s.lost(last) })
		})
		v.Process.Signal(syscall.SIGTERM)
	}
	if code := v.end(); code != status {
		v.t.Errorf("status %d, want %d; stderr %.3000q", code, status, v.Said())
	}
	if !v.panicked() {
		v.t.Error("the panic didn't happen")
	}
	lost := 0
	for _, s := range v.taken {
		<-s.done
		if _, _, err := s.seen(); err != nil {
			v.t.Errorf("the %s: %v", s.what, err)
		}
		if s.lost(last) {
			lost++
			seen, _, _ := s.seen()
			v.t.Logf("the %s ended at line %d of %d: %v", s.what, seen, last, s.err)
		}
	}
	if lost > v.cost {
		v.t.Errorf("the panic has cost %d viewers, want %d at most", lost, v.cost)
	}
	v.checkLog()
}

// checkLog checks that the panic was logged on one line, with its stack.
func (v *victim) checkLog() {
	v.t.Helper()
	n := 0
	for line := range strings.SplitSeq(v.Said(), "\n") {
		if strings.Contains(line, "planted in "+v.place) {
			n++
			if !strings.Contains(line, "level=ERROR") || !strings.Contains(line, `stack="goroutine `) || !strings.Contains(line, ".planted(") {
				v.t.Errorf("logged as %.500q", line)
			}
		} else if strings.Contains(line, "hangs") || strings.Contains(line, "panic") || strings.Contains(line, "goroutine") {
			v.t.Errorf("logged %.1000q", line)
		}
	}
	if n != 1 {
		v.t.Errorf("the panic was logged %d times", n)
	}
}
