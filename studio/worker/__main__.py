"""`python -m studio.worker`"""

from studio.worker.main import main

main()
