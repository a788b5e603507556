// Package htpasswd writes password files for tests, in the format of Apache's htpasswd.
package htpasswd

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// Write writes a password file to path and returns its contents. costs maps each user to the
// bcrypt cost of the user's hash. The password of NAME is NAME-pw. An error ends the test.
func Write(t testing.TB, path string, costs map[string]int) string {
	t.Helper()
	lines := "# users\n\n"
	for user, cost := range costs {
		hash, err := bcrypt.GenerateFromPassword([]byte(user+"-pw"), cost)
		if err != nil {
			t.Fatal(err)
		}
		lines += user + ":" + strings.Replace(string(hash), "$2a$", "$2y$", 1) + "\n" // htpasswd's prefix
	}
	if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	return lines
}
