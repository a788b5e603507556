package hub

import (
	"io"
	"net/http"
	"testing"
	"time"

	"wsrun/broadcaster"
	"wsrun/internal/protocol"
	"wsrun/test/wait"
	"wsrun/test/watch"
)

// A panic while content is sent frees the viewer's slot and closes its connection.
func TestPanicInContent(t *testing.T) {
	f := serve(t, broadcaster.Options{})
	f.http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, err := f.sessions.Enter(r)
		if err != nil {
			t.Error(err)
			return
		}
		f.sessions.ServeContent(w, session, Content{Kind: File}, func(w io.Writer) error {
			io.WriteString(w, "some\n")
			panic(http.ErrAbortHandler)
		})
	})
	v := f.dial("", protocol.Subprotocol)
	if _, err := watch.Viewer(v, -1); err == nil {
		t.Error("the content looks complete")
	}
	wait.For(t, 5*time.Second, "the slot is still taken", func() bool {
		taken, _ := f.sessions.Slots()
		return taken == 0
	})
}
