package access

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// maxQueue is how many may wait for a check, each from an address of its own.
const maxQueue = 32

// Users are those of an htpasswd file. Its methods may be called concurrently.
type Users struct {
	file   reloader[map[string]string]       // hashes by name
	checks chan struct{}                     // holds one for each password that is being checked
	queue  chan struct{}                     // and one for each that is or waits for that
	match  func(hash, password []byte) error // takes time by the hash's cost
}

// OpenUsers reads a file of lines USER:HASH, with bcrypt hashes as htpasswd -B makes
// them. It is read again when it has changed; warn is told, once, of what is wrong
// with it then, and those of before stay. Errors name lines, never what is in them.
func OpenUsers(path string, warn func(error)) (*Users, error) {
	// Each check takes a core for tens of milliseconds, by design; others need some, too.
	checks := max(1, runtime.GOMAXPROCS(0)/2)
	u := &Users{checks: make(chan struct{}, checks), queue: make(chan struct{}, checks+maxQueue), match: bcrypt.CompareHashAndPassword}
	u.file = reloader[map[string]string]{paths: []string{path}, warn: warn, read: func() (map[string]string, error) { return readUsers(path) }}
	if err := u.file.start(); err != nil {
		return nil, err
	}
	return u, nil
}

var bcryptHash = regexp.MustCompile(`^\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}$`)

func readUsers(path string) (map[string]string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		var what *os.PathError
		if errors.As(err, &what) {
			err = what.Err
		}
		return nil, fmt.Errorf("read %q: %w", path, err)
	}
	users := map[string]string{}
	n := 0
	for line := range strings.Lines(strings.TrimPrefix(string(data), "\ufeff")) { // as editors on Windows begin files
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, hash, ok := strings.Cut(line, ":")
		switch {
		case !ok || name == "" || name != strings.TrimSpace(name):
			return nil, fmt.Errorf("read %q: line %d is not USER:HASH", path, n)
		case users[name] != "":
			return nil, fmt.Errorf("read %q: the user of line %d has an earlier one", path, n)
		case !bcryptHash.MatchString(hash):
			return nil, fmt.Errorf("read %q: line %d has no bcrypt hash, which htpasswd -B makes", path, n)
		}
		users[name] = hash
	}
	if len(users) == 0 {
		return nil, fmt.Errorf("read %q: there is no user in it", path)
	}
	return users, nil
}

// hash returns the hash of a user's password, empty for one that is none.
func (u *Users) hash(user string) string { return u.file.get()[user] }

// verify returns the hash of a user's password, errWrong if it is another, and
// errBusy if too many wait for their turn or ctx is done before it comes. That takes
// the same time whether there is such a user or not, and whatever the cost of the hash:
// as long as the most costly one.
func (u *Users) verify(ctx context.Context, user, password string) (hash string, err error) {
	select {
	case u.queue <- struct{}{}:
		defer func() { <-u.queue }()
	default:
		return "", errBusy
	}
	select {
	case u.checks <- struct{}{}:
		defer func() { <-u.checks }()
	case <-ctx.Done():
		return "", errBusy
	}
	users := u.file.get()
	most := bcrypt.MinCost
	for _, hash := range users {
		most = max(most, cost(hash))
	}
	hash = users[user]
	if hash == "" {
		u.spend(most, password)
		return "", errWrong
	}
	err = u.match([]byte(hash), []byte(password))
	// Each cost takes twice as long as the one before: together with all those
	// between it is as long as the highest.
	for c := cost(hash); c < most; c++ {
		u.spend(c, password)
	}
	if err != nil {
		return "", errWrong
	}
	return hash, nil
}

// cost returns a valid hash's.
func cost(hash string) int {
	n, _ := strconv.Atoi(hash[4:6])
	return n
}

// spend takes the time that comparing with a hash of that cost takes.
func (u *Users) spend(cost int, password string) {
	u.match(fmt.Appendf(nil, "$2y$%02d$%s", cost, strings.Repeat(".", 53)), []byte(password))
}
