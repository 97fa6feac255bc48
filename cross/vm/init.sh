#!/bin/sh
# init - the guest's first process: sets the board up, runs /guest/job, writes its status to the
# console and powers off.
export PATH=/usr/bin:/usr/sbin HOME=/root
/usr/bin/busybox mount -t proc proc /proc
/usr/bin/busybox --install -s /usr/sbin 2> /dev/null # behind Debian's own programs
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev 2> /dev/null
exec < /dev/console > /dev/console 2>&1
mkdir -p /dev/shm
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
while read -r module; do
    insmod "/lib/modules/$module.ko" || echo "BOARD insmod $module failed"
done < /lib/modules/order
ifconfig lo 127.0.0.1 up
for net in /sys/class/net/e*; do
    [ -e "$net" ] || continue
    ifconfig "${net##*/}" 10.0.2.15 netmask 255.255.255.0 up
    route add default gw 10.0.2.2
done
mount -t 9p -o trans=virtio,version=9p2000.L,msize=131072 work /guest
[ ! -e /dev/vda ] || mount -t ext4 /dev/vda /data
read -r up _ < /proc/uptime
echo "BOARD ready after $up s, $(uname -rm)"
(. /guest/job)
status=$?
cd /
sync
umount /data 2> /dev/null
umount /guest 2> /dev/null
echo "BOARD STATUS $status"
poweroff -f
