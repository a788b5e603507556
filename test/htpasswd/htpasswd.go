// Package htpasswd writes files of users for tests.
package htpasswd

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// Write writes a file of users, each with the bcrypt cost given; a user's password is the
// name and "-pw". It returns what it has written.
func Write(t testing.TB, path string, costs map[string]int) string {
	t.Helper()
	lines := "# users\n\n"
	for user, cost := range costs {
		hash, err := bcrypt.GenerateFromPassword([]byte(user+"-pw"), cost)
		if err != nil {
			t.Fatal(err)
		}
		lines += user + ":" + strings.Replace(string(hash), "$2a$", "$2y$", 1) + "\n" // as htpasswd writes it
	}
	if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	return lines
}
