package access

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wsrun/test/htpasswd"

	"golang.org/x/crypto/bcrypt"
)

// slowUsers returns one user, ann, whose password takes a second to check.
func slowUsers(t *testing.T) *Users {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users")
	htpasswd.Write(t, path, map[string]int{"ann": 4})
	users, err := OpenUsers(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	users.compare = func(hash, password []byte) error {
		time.Sleep(time.Second)
		return bcrypt.CompareHashAndPassword(hash, password)
	}
	return users
}

// Passwords of users that don't exist, or whose hash is cheap, cost as many rounds of bcrypt as
// the most expensive hash.
func TestUsersTakeTheSameTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	htpasswd.Write(t, path, map[string]int{"cheap": 4, "medium": 6, "expensive": 7})
	users, err := OpenUsers(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	rounds := 0
	users.compare = func(hash, password []byte) error {
		err := bcrypt.CompareHashAndPassword(hash, password)
		if err == nil || err == bcrypt.ErrMismatchedHashAndPassword {
			rounds += 1 << cost(string(hash))
		}
		return err
	}
	least, most := 1<<30, 0
	for _, user := range []string{"cheap", "medium", "expensive", "nobody", ""} {
		for _, password := range []string{"wrong", user + "-pw"} {
			rounds = 0
			if users.verify(t.Context(), user, password); rounds != 1<<7 {
				t.Errorf("%q, %q: %d rounds, want %d", user, password, rounds, 1<<7)
			}
			least, most = min(least, rounds), max(most, rounds)
		}
	}
	t.Attr("promise", "a user that does not exist costs as much time as any other")
	t.Attr("figure", fmt.Sprintf("%d to %d rounds of bcrypt", least, most))
}

func TestBadUsers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	good := "$2y$04$" + strings.Repeat("a", 53)
	for content, want := range map[string]string{
		"":                                 "no user",
		"# nobody\n":                       "no user",
		"ann:" + good + "\nsecret\n":       "line 2 is not",
		":" + good:                         "line 1 is not",
		"ann :" + good:                     "line 1 is not",
		"ann:" + good + "\n\u00a0:" + good: "line 2 is not",
		"ann:" + good + "\n\nann:" + good:  "line 3 has an earlier",
		"ann:secret":                       "line 1 has no bcrypt",
		"ann:$apr1$secret$0123456789012345678901":           "line 1 has no bcrypt",
		"ann:{SHA}secret":                                   "line 1 has no bcrypt",
		"ann:$6$secret$x":                                   "line 1 has no bcrypt",
		"ann:$2y$32$" + strings.Repeat("a", 53):             "line 1 has no bcrypt",
		"ann:$2y$03$" + strings.Repeat("a", 53):             "line 1 has no bcrypt",
		"ann:" + good + "secret":                            "line 1 has no bcrypt",
		"# a\nann:$2x$04$" + strings.Repeat("a", 53) + "\n": "line 2 has no bcrypt",
	} {
		os.WriteFile(path, []byte(content), 0o600)
		if _, err := OpenUsers(path, nil); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, want %q", content, err, want)
		}
	}
	os.WriteFile(path, []byte("\ufeffann:"+good+"\r\n bob:"+good), 0o600)
	if users, err := OpenUsers(path, nil); err != nil || users.hash("ann") != good || users.hash("bob") != good {
		t.Errorf("a file written on Windows: %v", err)
	}
	if _, err := OpenUsers(path+"-", nil); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("no file: %v", err)
	}
}

// If a client disconnects while its password waits for a check, the check is skipped.
func TestVerifyStopsWaiting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	htpasswd.Write(t, path, map[string]int{"ann": 4})
	users, err := OpenUsers(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range cap(users.checks) {
		users.checks <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := users.verify(ctx, "ann", "ann-pw"); err != errBusy {
		t.Errorf("more checks than allowed at the same time: %v", err)
	}
	<-users.checks
	if _, err := users.verify(t.Context(), "ann", "ann-pw"); err != nil {
		t.Errorf("not checked when it is its turn: %v", err)
	}
}
