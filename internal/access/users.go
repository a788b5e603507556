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

// maxQueue is how many passwords may wait to be checked. A client takes at most one place.
const maxQueue = 32

// Users are the users of an htpasswd file. Its methods may be called concurrently.
type Users struct {
	cache   fileCache[map[string]string] // hashes by name
	checks  chan struct{}                // holds one element for each password that is being checked
	queue   chan struct{}                // holds one element for each that is being checked or waits
	compare func(hash, password []byte) error
}

// OpenUsers reads a file with lines of the form USER:HASH, where the hash is one of bcrypt's, as
// htpasswd -B writes it. Later it reads the file again when it changes. If that fails, it keeps
// the previous users and calls warn, which may be nil, once for each change. Errors give the
// number of a line, never its content.
func OpenUsers(path string, warn func(error)) (*Users, error) {
	// Each check keeps a processor busy for tens of milliseconds, so half of them are left for
	// everything else.
	checks := max(1, runtime.GOMAXPROCS(0)/2)
	u := &Users{checks: make(chan struct{}, checks), queue: make(chan struct{}, checks+maxQueue), compare: bcrypt.CompareHashAndPassword}
	u.cache = fileCache[map[string]string]{paths: []string{path}, warn: warn, read: func() (map[string]string, error) { return readUsers(path) }}
	if err := u.cache.open(); err != nil {
		return nil, err
	}
	return u, nil
}

var bcryptHash = regexp.MustCompile(`^\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}$`)

func readUsers(path string) (map[string]string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		if pathErr, ok := errors.AsType[*os.PathError](err); ok {
			err = pathErr.Err
		}
		return nil, fmt.Errorf("read %q: %w", path, err)
	}
	users := map[string]string{}
	n := 0
	for line := range strings.Lines(strings.TrimPrefix(string(data), "\ufeff")) { // a BOM, from editors on Windows
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

// hash returns the hash of a user's password; empty if there is no such user.
func (u *Users) hash(user string) string { return u.cache.get()[user] }

// verify returns the hash of a user's password. The error is errWrong for another password or
// an unknown user, or errBusy if too many passwords are waiting or ctx ends before this one has
// been checked. A check takes as long as one against the most expensive hash in the file,
// whatever the user's hash costs and whether the user exists or not.
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
	users := u.cache.get()
	highest := bcrypt.MinCost
	for _, hash := range users {
		highest = max(highest, cost(hash))
	}
	hash = users[user]
	if hash == "" {
		u.simulate(highest, password)
		return "", errWrong
	}
	err = u.compare([]byte(hash), []byte(password))
	// Each cost takes twice as long as the one below. So after a check of cost 5, others of 5,
	// 6 and 7 make it as long as one of cost 8.
	for c := cost(hash); c < highest; c++ {
		u.simulate(c, password)
	}
	if err != nil {
		return "", errWrong
	}
	return hash, nil
}

// cost returns the cost of a bcrypt hash: the base-2 logarithm of its rounds.
func cost(hash string) int {
	n, _ := strconv.Atoi(hash[4:6])
	return n
}

// simulate takes as long as a comparison with a hash of that cost.
func (u *Users) simulate(cost int, password string) {
	u.compare(fmt.Appendf(nil, "$2y$%02d$%s", cost, strings.Repeat(".", 53)), []byte(password))
}
