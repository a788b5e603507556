package history

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// isFull reports whether a write has failed because the disk is full.
func isFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}

// systemDirs returns the directories to try after $TMPDIR.
func systemDirs() []string { return []string{os.TempDir()} }

// createUnlinked creates a file in dir that the system deletes when the process ends, however it ends.
func createUnlinked(dir string) (*os.File, error) {
	name := filepath.Join(dir, fmt.Sprintf("wsrun-%d-%d", os.Getpid(), windows.GetCurrentThreadId()))
	path, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return nil, err
	}
	const flags = windows.FILE_ATTRIBUTE_TEMPORARY | windows.FILE_FLAG_DELETE_ON_CLOSE
	h, err := windows.CreateFile(path, windows.GENERIC_READ|windows.GENERIC_WRITE|windows.DELETE, 0, nil, windows.CREATE_NEW, flags, 0)
	if err != nil {
		return nil, &os.PathError{Op: "create", Path: name, Err: err}
	}
	return os.NewFile(uintptr(h), name), nil
}

// space returns how many bytes of the file system that f is on are available, and how many there are.
func space(f *os.File) (left, total int64, err error) {
	dir, err := windows.UTF16PtrFromString(filepath.Dir(f.Name()))
	if err != nil {
		return 0, 0, err
	}
	var available, all uint64
	err = windows.GetDiskFreeSpaceEx(dir, &available, &all, nil)
	return int64(available), int64(all), err
}
