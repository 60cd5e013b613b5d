from moray.cli import main

main()
